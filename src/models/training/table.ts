/** Training rows as numbers, and what is known of their scale. */
import { prepareFact } from '../arithmetic.ts';
import type { ModelInput } from '../types.ts';

/** `values[row * width + input]` is the input as the model's graph gets it (filled, transformed, float32). */
export interface TrainingTable {
  readonly width: number;
  readonly rows: number;
  readonly values: Float32Array;
  /** 1 is fraud. */
  readonly labels: Uint8Array;
}

/** @param facts [row][input], NaN where missing */
export function trainingTable(inputs: readonly ModelInput[], facts: Float64Array, labels: Uint8Array): TrainingTable {
  const width = inputs.length;
  if (facts.length !== labels.length * width) throw new Error('facts and labels are of different lengths');
  const values = new Float32Array(facts.length);
  inputs.forEach(({ transform, missing }, input) => {
    for (let at = input; at < facts.length; at += width)
      values[at] = prepareFact(facts[at] ?? Number.NaN, transform, missing);
  });
  return { width, rows: labels.length, values, labels };
}

export interface Standardisation {
  /** float32 numbers, as they will be stored. */
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** Mean and variance of every input over the table. An input that never varies gets variance 1: it stays 0 and harmless. */
export function standardisation({ width, rows, values }: TrainingTable): Standardisation {
  const mean = new Float32Array(width);
  const variance = new Float32Array(width);
  for (let input = 0; input < width; input++) {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += values[row * width + input] ?? 0;
    const middle = sum / rows;
    let squares = 0;
    for (let row = 0; row < rows; row++) squares += ((values[row * width + input] ?? 0) - middle) ** 2;
    mean[input] = middle;
    variance[input] = squares / rows > 1e-12 ? squares / rows : 1;
  }
  return { mean, variance };
}
