/** The inputs of a model against the columns of a release's frames. */
import { codeFirstLiteral, codeMissing, codeOther, type Frame, type FrameLayout } from '../features/frame.ts';
import { categoriesMax, factMagnitudeMax, modelInputsMax, vocabularyMax } from './bounds.ts';
import { ModelError } from './errors.ts';
import type { CardInput, CategoryInput, InputTransform, ModelCard, ModelInput } from './types.ts';

const transforms: ReadonlySet<unknown> = new Set<InputTransform>(['none', 'signedLog1p']);

export const isCategory = (input: CardInput): input is CategoryInput => 'kind' in input;
export const numericInputs = (inputs: readonly CardInput[]): readonly ModelInput[] =>
  inputs.flatMap((input) => (isCategory(input) ? [] : [input]));
export const categoryInputs = (inputs: readonly CardInput[]): readonly CategoryInput[] => inputs.filter(isCategory);
/** Codes a category can have: missing, other and its vocabulary. */
export const codesOf = ({ vocabulary }: CategoryInput): number => codeFirstLiteral + vocabulary.length;

/** Keeps the type, which Array.isArray would turn into any. */
const isList = (value: readonly unknown[]): boolean => Array.isArray(value);

function checkCategory({ fact, kind, vocabulary }: CategoryInput): void {
  const stated: string = kind;
  if (stated !== 'category')
    throw new ModelError('model_inputs', `Model input ${fact} is of the unknown kind ${JSON.stringify(stated)}.`);
  if (!isList(vocabulary) || vocabulary.length === 0 || !vocabulary.every((text) => typeof text === 'string'))
    throw new ModelError('model_inputs', `Model input ${fact} is a category and needs a vocabulary, a list of texts.`);
  if (vocabulary.length > vocabularyMax)
    throw new ModelError(
      'model_too_large',
      `The vocabulary of model input ${fact} has ${vocabulary.length} texts; at most ${vocabularyMax} are allowed.`,
    );
  if (new Set(vocabulary).size !== vocabulary.length)
    throw new ModelError('model_inputs', `The vocabulary of model input ${fact} lists a text twice.`);
}

function checkNumeric({ fact, transform, missing }: Partial<ModelInput>): void {
  if (!transforms.has(transform)) {
    throw new ModelError(
      'model_inputs',
      `Model input ${fact ?? ''} has the unknown transform ${JSON.stringify(transform)}.`,
    );
  }
  if (typeof missing !== 'number' || !(Math.abs(missing) <= factMagnitudeMax)) {
    throw new ModelError(
      'model_inputs',
      `Model input ${fact ?? ''} needs a finite number to use where the fact is missing.`,
    );
  }
}

/** The inputs as a trusted list. @throws ModelError where the card's list is not one. */
export function checkInputs(card: ModelCard): readonly CardInput[] {
  const { inputs } = card;
  if (!isList(inputs) || inputs.length === 0) throw new ModelError('model_inputs', 'The model card lists no inputs.');
  if (inputs.length > modelInputsMax) {
    throw new ModelError(
      'model_too_large',
      `The model has ${inputs.length} inputs; at most ${modelInputsMax} are allowed.`,
    );
  }
  inputs.forEach((input: CardInput | null, index) => {
    if (typeof input?.fact !== 'string' || input.fact === '')
      throw new ModelError('model_inputs', `Model input ${index} names no fact.`);
    if (isCategory(input)) checkCategory(input);
    else checkNumeric(input);
  });
  const names = new Set(inputs.map((input) => input.fact));
  if (names.size !== inputs.length) throw new ModelError('model_inputs', 'The model card lists an input twice.');
  if (categoryInputs(inputs).length > categoriesMax)
    throw new ModelError('model_too_large', `The model has more than ${categoriesMax} categories.`);
  return inputs;
}

interface NumericColumn {
  /** Position among the card's inputs. */
  readonly input: number;
  readonly column: number;
}
interface CategoryColumn extends NumericColumn {
  /** The model's code for each code of the frame's column, whose vocabulary may have more texts (what rules name). */
  readonly codeOf: Int32Array;
}
export interface InputColumns {
  readonly inputs: number;
  readonly numeric: readonly NumericColumn[];
  readonly categories: readonly CategoryColumn[];
}

function codesBetween(frameVocabulary: readonly unknown[], { vocabulary }: CategoryInput): Int32Array {
  const codes = new Int32Array(codeFirstLiteral + frameVocabulary.length).fill(codeOther);
  codes[codeMissing] = codeMissing;
  frameVocabulary.forEach((text, i) => {
    const place = vocabulary.findIndex((known) => known === text);
    if (place >= 0) codes[codeFirstLiteral + i] = codeFirstLiteral + place;
  });
  return codes;
}

/** The column of each input. @throws ModelError that names every fact the layout lacks. */
export function inputColumns(inputs: readonly CardInput[], layout: FrameLayout): InputColumns {
  const columnOf = (input: CardInput): number =>
    isCategory(input)
      ? layout.categorical.findIndex(({ name }) => name === input.fact)
      : layout.numeric.indexOf(input.fact);
  const unknown = inputs.filter((input) => columnOf(input) < 0).map((input) => input.fact);
  if (unknown.length > 0) {
    throw new ModelError(
      'model_inputs',
      `The model needs facts that the release does not have: ${unknown.join(', ')}.`,
    );
  }
  const places = inputs.map((input, at) => ({ card: input, input: at, column: columnOf(input) }));
  return {
    inputs: inputs.length,
    numeric: places.filter(({ card }) => !isCategory(card)).map(({ input, column }) => ({ input, column })),
    categories: places.flatMap(({ card, input, column }) =>
      isCategory(card)
        ? [{ input, column, codeOf: codesBetween(layout.categorical[column]?.vocabulary ?? [], card) }]
        : [],
    ),
  };
}

const otherLayout = () => new Error('the frame has another layout than the model was bound to');

/** Copies the numeric facts of `rows` rows from `first` on into `target`, [row][stride]; NaN stays NaN. */
export function gatherRows(
  frame: Frame,
  { numeric }: InputColumns,
  first: number,
  rows: number,
  target: Float64Array,
  stride: number,
): void {
  for (let place = 0; place < numeric.length; place++) {
    const column = frame.numbers[numeric[place]?.column ?? 0];
    if (column === undefined) throw otherLayout();
    for (let row = 0, at = place; row < rows; row++, at += stride) target[at] = column[first + row] ?? Number.NaN;
  }
}

/** The model's code of category `place` in a row of the frame. */
export function codeAt(frame: Frame, { column, codeOf }: CategoryColumn, row: number): number {
  const codes = frame.codes[column];
  if (codes === undefined) throw otherLayout();
  return codeOf[codes[row] ?? codeMissing] ?? codeOther;
}

/** One row as [input], in the card's order: a fact, NaN where it is missing, or a category's code. */
export function gatherInputs(frame: Frame, columns: InputColumns, row: number): Float64Array {
  const values = new Float64Array(columns.inputs);
  for (const { input, column } of columns.numeric) values[input] = frame.numbers[column]?.[row] ?? Number.NaN;
  for (const category of columns.categories) values[category.input] = codeAt(frame, category, row);
  return values;
}
