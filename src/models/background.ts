/** The rows that explanations compare a payment with, in the form that BoundModel.gather gives. */
import { codeFirstLiteral, codeMissing, codeOther } from '../features/frame.ts';
import { exp, log } from './arithmetic.ts';
import { backgroundRowsMax } from './bounds.ts';
import { ModelError } from './errors.ts';
import { isCategory, numericInputs } from './inputs.ts';
import type { Network } from './network.ts';
import type { CardInput, ModelArtefact } from './types.ts';

function cellOf(input: CardInput, cell: number | string | null | undefined, row: number): number {
  if (cell === null || cell === undefined) return isCategory(input) ? codeMissing : Number.NaN;
  if (isCategory(input) && typeof cell === 'string') {
    const place = input.vocabulary.indexOf(cell);
    return place < 0 ? codeOther : codeFirstLiteral + place;
  }
  if (!isCategory(input) && typeof cell === 'number') return cell;
  throw new ModelError(
    'model_inputs',
    `Row ${row} of the model's background has ${JSON.stringify(cell)} for ${input.fact}, which is ${isCategory(input) ? 'a category' : 'a number'}.`,
  );
}

/** The model's own background, or undefined where it has none. @throws ModelError where it does not fit the inputs */
export function backgroundOf(
  { background }: ModelArtefact,
  inputs: readonly CardInput[],
): readonly Float64Array[] | undefined {
  if (background === undefined || background.length === 0) return undefined;
  if (background.length > backgroundRowsMax)
    throw new ModelError('model_too_large', `The model's background has more than ${backgroundRowsMax} rows.`);
  return background.map((cells, row) => {
    if (cells.length !== inputs.length)
      throw new ModelError(
        'model_inputs',
        `Row ${row} of the model's background has ${cells.length} cells; the card lists ${inputs.length} inputs.`,
      );
    return Float64Array.from(inputs, (input, at) => cellOf(input, cells[at], row));
  });
}

/** The fact whose signed logarithm is x. */
const unsignedExp = (x: number): number => (x < 0 ? 1 - exp(-x) : exp(x) - 1);

/** Where each input is at the mean that the leading normalisation knows; categories are "other". */
export function meanRow(network: Network, inputs: readonly CardInput[]): Float64Array {
  const numeric = numericInputs(inputs);
  const { scaling } = network;
  const facts = numeric.map(({ transform, missing }, i) => {
    if (scaling === undefined) return missing;
    const mean = scaling.mean[i] ?? 0;
    return transform === 'none' ? mean : unsignedExp(mean);
  });
  let next = 0;
  return Float64Array.from(inputs, (input) => (isCategory(input) ? codeOther : (facts[next++] ?? 0)));
}

/** What stands in for missing facts: all that is known of a model whose graph we do not read. */
export function missingRow(inputs: readonly CardInput[]): Float64Array {
  return Float64Array.from(inputs, (input) => (isCategory(input) ? codeMissing : input.missing));
}

/** The logit of a probability; finite for 0 and 1 too. */
export function logitOf(probability: number): number {
  const smallest = 1e-12;
  const p = Math.min(1 - smallest, Math.max(smallest, probability));
  return log(p) - log(1 - p);
}
