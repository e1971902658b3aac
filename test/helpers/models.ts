/** Other models than the default one, made of it: the same network with its weights changed a little. */
import { resolve } from 'node:path';
import type { ModelArtefact } from '../../src/models/types.ts';
import { weightBytes } from '../../src/models/weights.ts';
import type { ReleaseBundle } from '../../src/releases/bundle.ts';
import { readReleaseDirectory } from '../../src/releases/store.ts';

export const defaultBundle = (): Promise<ReleaseBundle> =>
  readReleaseDirectory(resolve(import.meta.dirname, '../../config/default'));

export function modelOf(bundle: ReleaseBundle): ModelArtefact {
  if (bundle.model === null) throw new Error('the release has no model');
  return bundle.model;
}

/** The model with a card that does not say what its inputs looked like in training. */
export function withoutReference(model: ModelArtefact): ModelArtefact {
  const { reference: _, ...card } = model.card;
  return { ...model, card };
}

/** The model with its last bias raised: another version, whose every logit is `by` higher. */
export function shifted(model: ModelArtefact, id: string, by: number): ModelArtefact {
  const bytes = weightBytes(model.weightData);
  const last = model.weightSpecs.reduce(
    (at, { name, shape }) => {
      const size = shape.reduce((product, side) => product * side, 4);
      return name.endsWith('/bias') && size === 4
        ? { ...at, bias: at.next, next: at.next + size }
        : { ...at, next: at.next + size };
    },
    { bias: -1, next: 0 },
  );
  if (last.bias < 0) throw new Error('the model has no output bias');
  const view = new DataView(bytes.buffer);
  view.setFloat32(last.bias, view.getFloat32(last.bias, true) + by, true);
  return { ...model, weightData: Buffer.from(bytes).toString('base64'), card: { ...model.card, id } };
}
