/** Weights of an artefact as typed arrays, found by layer. */
import { weightBytesMax } from './bounds.ts';
import { ModelError } from './errors.ts';
import type { ModelArtefact } from './types.ts';

export interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Decodes base64 into bytes of its own: never a view of Buffer's shared pool, whose `.buffer` holds other data too. */
export function weightBytes(weightData: string): Uint8Array<ArrayBuffer> {
  if (weightData.length > Math.ceil(weightBytesMax / 3) * 4) {
    throw new ModelError('model_too_large', `The model has more than ${weightBytesMax} bytes of weights.`);
  }
  return new Uint8Array(Buffer.from(weightData, 'base64'));
}

const elements = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);

/** @throws ModelError on another type than float32, a length that does not fit, or a weight that is not finite. */
export function decodeWeights(artefact: ModelArtefact): ReadonlyMap<string, Weight> {
  const bytes = weightBytes(artefact.weightData);
  const weights = new Map<string, Weight>();
  let offset = 0;
  for (const { name, shape, dtype } of artefact.weightSpecs) {
    if (dtype !== 'float32')
      throw new ModelError('model_weights', `Weight ${name} is ${dtype}; only float32 is supported.`);
    if (!shape.every((side) => Number.isSafeInteger(side) && side > 0)) {
      throw new ModelError('model_weights', `Weight ${name} has the impossible shape [${shape.join(', ')}].`);
    }
    const end = offset + elements(shape) * 4;
    if (end > bytes.length) throw new ModelError('model_weights', `The weight data ends inside weight ${name}.`);
    const values = new Float32Array(bytes.buffer.slice(offset, end));
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new ModelError('model_weights', `Weight ${name} holds ${values[bad]} at position ${bad}.`);
    if (weights.has(name)) throw new ModelError('model_weights', `Weight ${name} is listed twice.`);
    weights.set(name, { shape, values });
    offset = end;
  }
  if (offset !== bytes.length) {
    throw new ModelError(
      'model_weights',
      `The weight data has ${bytes.length - offset} bytes more than its specification.`,
    );
  }
  return weights;
}

/** The weight `LAYER/VARIABLE`, alone or under outer name scopes, of exactly the shape given. */
export function layerWeight(
  weights: ReadonlyMap<string, Weight>,
  layer: string,
  variable: string,
  shape: readonly number[],
): Float32Array {
  const name = `${layer}/${variable}`;
  const found = weights.get(name) ?? [...weights].find(([key]) => key.endsWith(`/${name}`))?.[1];
  if (found === undefined) throw new ModelError('model_weights', `The model has no weight ${name}.`);
  if (found.shape.length !== shape.length || found.shape.some((side, i) => side !== shape[i])) {
    throw new ModelError(
      'model_weights',
      `Weight ${name} has shape [${found.shape.join(', ')}]; [${shape.join(', ')}] is needed.`,
    );
  }
  return found.values;
}
