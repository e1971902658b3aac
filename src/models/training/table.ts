/** Training rows as numbers, and what is known of their scale. */
import { prepareFact } from '../arithmetic.ts';
import { codesOf } from '../inputs.ts';
import type { CategoryInput, ModelInput } from '../types.ts';

/** `values[row * width + input]` is the input as the model's graph gets it (filled, transformed, float32). Shared with the workers. */
export interface TrainingTable {
  readonly width: number;
  readonly rows: number;
  readonly values: Float32Array;
  /** 1 is fraud. */
  readonly labels: Uint8Array;
  /** Share of the genuine payments that the rows are, where they are a sample; all frauds are there. */
  readonly genuineShare?: number;
  /** Of a model with categories. */
  readonly categories?: CategoryTable;
}

/** Categories that the network embeds, in the card's order. */
export interface CategoryTable {
  readonly embeddings: readonly EmbeddingShape[];
  /** `codes[row * embeddings.length + category]`: 0 missing, 1 other, 2 … the vocabulary. Shared with the workers. */
  readonly codes: Uint16Array;
}

export interface EmbeddingShape {
  /** Codes it can have. */
  readonly codes: number;
  /** Numbers that stand for one. */
  readonly width: number;
}

export interface FactRows {
  readonly rows: number;
  /** Row number and place among the inputs to the fact, NaN where missing. */
  value(row: number, input: number): number;
}

/** In shared memory, so that workers get it for the price of a message. */
export function trainingTable(inputs: readonly ModelInput[], facts: FactRows, labels: Uint8Array): TrainingTable {
  const width = inputs.length;
  const { rows } = facts;
  if (labels.length !== rows) throw new Error('facts and labels are of different lengths');
  const values = new Float32Array(new SharedArrayBuffer(4 * rows * width));
  inputs.forEach(({ transform, missing }, input) => {
    for (let row = 0; row < rows; row++)
      values[row * width + input] = prepareFact(facts.value(row, input), transform, missing);
  });
  const shared = new Uint8Array(new SharedArrayBuffer(rows));
  shared.set(labels);
  return { width, rows, values, labels: shared };
}

/** @param codeOf the code of a row's category, in the order of the inputs */
export function categoryTable(
  inputs: readonly CategoryInput[],
  widths: readonly number[],
  rows: number,
  codeOf: (row: number, category: number) => number,
): CategoryTable {
  const codes = new Uint16Array(new SharedArrayBuffer(2 * rows * inputs.length));
  for (let row = 0, at = 0; row < rows; row++)
    for (let category = 0; category < inputs.length; category++, at++) codes[at] = codeOf(row, category);
  return { embeddings: inputs.map((input, at) => ({ codes: codesOf(input), width: widths[at] ?? 1 })), codes };
}

export interface Standardisation {
  /** float32 numbers, as they will be stored. */
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** Mean and variance of every input over the rows. An input that never varies gets variance 1: it stays 0 and harmless. */
export function standardisation({ width, values }: TrainingTable, rows: Int32Array): Standardisation {
  const mean = new Float32Array(width);
  const variance = new Float32Array(width);
  for (let input = 0; input < width; input++) {
    let sum = 0;
    for (const row of rows) sum += values[row * width + input] as number;
    const middle = sum / rows.length;
    let squares = 0;
    for (const row of rows) squares += ((values[row * width + input] as number) - middle) ** 2;
    mean[input] = middle;
    variance[input] = squares / rows.length > 1e-12 ? squares / rows.length : 1;
  }
  return { mean, variance };
}
