/** The inputs of a recipe as those of a model: categories get their vocabulary. */
import { failed } from '../../config/exit.ts';
import { codeFirstLiteral, codeMissing, codeOther } from '../../features/frame.ts';
import { categoryInputs, isCategory, numericInputs } from '../../models/inputs.ts';
import type { ReferenceColumn } from '../../models/monitoring/reference.ts';
import { categoryTable, type TrainingTable, trainingTable } from '../../models/training/table.ts';
import type { CardInput, CategoryInput } from '../../models/types.ts';
import type { CategoryColumn, History } from '../history/history.ts';
import type { CategoryRecipe, Recipe } from './recipe.ts';

/** The texts of each fact that the release's rules name. */
export type ReleaseTexts = ReadonlyMap<string, readonly string[]>;

/** A text that fewer payments have is one of the others, where the recipe says nothing. */
const countMinDefault = 20;
/** Most texts that a vocabulary takes from the payments, where the recipe says nothing. */
const textsMaxDefault = 256;
const embeddingWidthMax = 32;

/** fast.ai's rule of thumb: 1.6 × codes^0.56. */
const usualWidth = (codes: number): number => Math.min(embeddingWidthMax, Math.ceil(1.6 * codes ** 0.56));

const columnOf = ({ categories }: History, fact: string): CategoryColumn => {
  const column = categories.get(fact);
  if (column === undefined) throw new Error(`the history has no texts of ${fact}`);
  return column;
};

/** The texts that enough of the rows have, the most frequent first. */
function frequentTexts({ values, codes }: CategoryColumn, rows: Int32Array, countMin: number): string[] {
  const counts = new Uint32Array(values.length + 1);
  for (const row of rows) {
    const code = codes[row] as number;
    if (code < counts.length) (counts[code] as number)++;
  }
  return values
    .map((text, at) => ({ text, count: counts[at + 1] as number }))
    .filter(({ text, count }) => text !== '' && count >= countMin)
    .sort((a, b) => b.count - a.count || (a.text < b.text ? -1 : 1))
    .map(({ text }) => text);
}

/** What the recipe says; else what the release's rules name, and what the payments learned from have often enough. */
function vocabularyOf(recipe: CategoryRecipe, history: History, rows: Int32Array, release: ReleaseTexts): string[] {
  if (recipe.vocabulary !== undefined) return recipe.vocabulary;
  const { fact, countMin = countMinDefault, textsMax = textsMaxDefault } = recipe;
  const frequent = frequentTexts(columnOf(history, fact), rows, countMin);
  const texts = [...new Set([...(release.get(fact) ?? []), ...frequent])].slice(0, textsMax);
  if (texts.length > 0) return texts;
  throw failed(
    `No ${fact} is that of at least ${countMin} payments to learn from: lower its countMin in the recipe, name its vocabulary there, or take it out.`,
  );
}

export interface TrainingInputs {
  /** As the card will list them. */
  readonly inputs: readonly CardInput[];
  /** Of the categories' vectors, in the card's order. */
  readonly widths: readonly number[];
}

/** @param rows learned from. @throws CommandError (exit code 1) where a category has no vocabulary */
export function trainingInputs(
  { inputs }: Recipe,
  history: History,
  rows: Int32Array,
  release: ReleaseTexts,
): TrainingInputs {
  const widths: number[] = [];
  const card = inputs.map((input): CardInput => {
    if (!('kind' in input)) return input;
    const { fact, kind } = input;
    const vocabulary = vocabularyOf(input, history, rows, release);
    widths.push(input.width ?? usualWidth(codeFirstLiteral + vocabulary.length));
    return { fact, kind, vocabulary };
  });
  return { inputs: card, widths };
}

/** The model's code of each code of the history's column; what it does not know is "other". */
function modelCodes(column: CategoryColumn, { vocabulary }: CategoryInput): (code: number) => number {
  const placeOf = new Map(vocabulary.map((text, at) => [text, codeFirstLiteral + at]));
  const codes = Uint16Array.from([codeMissing, ...column.values.map((text) => placeOf.get(text) ?? codeOther)]);
  return (code) => codes[code] ?? codeOther;
}

/** The model's code of a row's category, for each category of the card. */
export function rowCodes(history: History, inputs: readonly CardInput[]): ((row: number) => number)[] {
  return categoryInputs(inputs).map((input) => {
    const column = columnOf(history, input.fact);
    const codeOf = modelCodes(column, input);
    return (row) => codeOf(column.codes[row] as number);
  });
}

/** The rows as a network learns from them. */
export function tableOf(history: History, rows: Int32Array, { inputs, widths }: TrainingInputs): TrainingTable {
  const labels = Uint8Array.from(rows, (row) => history.frauds[row] ?? 0);
  const { facts } = history;
  const value = (row: number, input: number): number => facts.value(rows[row] ?? 0, input);
  const { genuineShare } = history;
  const table = { ...trainingTable(numericInputs(inputs), { rows: rows.length, value }, labels), genuineShare };
  const categories = categoryInputs(inputs);
  if (categories.length === 0) return table;
  const codes = rowCodes(history, inputs);
  const codeOf = (row: number, category: number): number => codes[category]?.(rows[row] ?? 0) ?? codeOther;
  return { ...table, categories: categoryTable(categories, widths, rows.length, codeOf) };
}

/** One column for each input, in the card's order, as monitoring refers to it. */
export function referenceColumns(history: History, rows: Int32Array, inputs: readonly CardInput[]): ReferenceColumn[] {
  const codes = rowCodes(history, inputs);
  let [numeric, category] = [0, 0];
  return inputs.map((input): ReferenceColumn => {
    const { fact } = input;
    if (!isCategory(input)) {
      const at = numeric++;
      return { fact, values: Float64Array.from(rows, (row) => history.facts.value(row, at)) };
    }
    const codeOf = codes[category++];
    return {
      fact,
      codes: Uint16Array.from(rows, (row) => codeOf?.(row) ?? codeOther),
      vocabularySize: input.vocabulary.length,
    };
  });
}
