/** The inputs of a model against the columns of a release's frames. */
import type { Frame, FrameLayout } from '../features/frame.ts';
import { factMagnitudeMax, modelInputsMax } from './bounds.ts';
import { ModelError } from './errors.ts';
import type { InputTransform, ModelCard, ModelInput } from './types.ts';

const transforms: ReadonlySet<unknown> = new Set<InputTransform>(['none', 'signedLog1p']);

/** Keeps the type, which Array.isArray would turn into any. */
const isList = (value: readonly ModelInput[]): boolean => Array.isArray(value);

/** The inputs as a trusted list. @throws ModelError where the card's list is not one. */
export function checkInputs(card: ModelCard): readonly ModelInput[] {
  const { inputs } = card;
  if (!isList(inputs) || inputs.length === 0) throw new ModelError('model_inputs', 'The model card lists no inputs.');
  if (inputs.length > modelInputsMax) {
    throw new ModelError(
      'model_too_large',
      `The model has ${inputs.length} inputs; at most ${modelInputsMax} are allowed.`,
    );
  }
  inputs.forEach((input: Partial<ModelInput> | null, index) => {
    if (typeof input?.fact !== 'string' || input.fact === '')
      throw new ModelError('model_inputs', `Model input ${index} names no fact.`);
    if (!transforms.has(input.transform)) {
      throw new ModelError(
        'model_inputs',
        `Model input ${input.fact} has the unknown transform ${JSON.stringify(input.transform)}.`,
      );
    }
    if (typeof input.missing !== 'number' || !(Math.abs(input.missing) <= factMagnitudeMax)) {
      throw new ModelError(
        'model_inputs',
        `Model input ${input.fact} needs a finite number to use where the fact is missing.`,
      );
    }
  });
  const names = new Set(inputs.map((input) => input.fact));
  if (names.size !== inputs.length) throw new ModelError('model_inputs', 'The model card lists an input twice.');
  return inputs;
}

/** The column of each input. @throws ModelError that names every fact the layout lacks. */
export function inputColumns(inputs: readonly ModelInput[], layout: FrameLayout): Int32Array {
  const unknown = inputs.filter((input) => !layout.numeric.includes(input.fact)).map((input) => input.fact);
  if (unknown.length > 0) {
    throw new ModelError(
      'model_inputs',
      `The model needs facts that the release does not have: ${unknown.join(', ')}.`,
    );
  }
  return Int32Array.from(inputs, (input) => layout.numeric.indexOf(input.fact));
}

/** Copies `rows` rows from `first` on out of the frame's columns into `target`, [row][stride]; NaN stays NaN. */
export function gatherRows(
  frame: Frame,
  columns: Int32Array,
  first: number,
  rows: number,
  target: Float64Array,
  stride: number,
): void {
  for (let input = 0; input < columns.length; input++) {
    const column = frame.numbers[columns[input] ?? 0];
    if (column === undefined) throw new Error('the frame has another layout than the model was bound to');
    for (let row = 0, at = input; row < rows; row++, at += stride) target[at] = column[first + row] ?? Number.NaN;
  }
}
