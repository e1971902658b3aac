/** A model bound through the compiled kernel. */
import { codeOther, type Frame, type FrameLayout } from '../features/frame.ts';
import { backgroundOf, meanRow } from './background.ts';
import { kernelBlockRows } from './bounds.ts';
import { rankContributions } from './explain.ts';
import { codeAt, gatherInputs, gatherRows, inputColumns, isCategory, numericInputs } from './inputs.ts';
import { instantiateKernel, type KernelInstance } from './kernel/instance.ts';
import type { Network } from './network.ts';
import type { BoundModel, CardInput, Contribution, ModelArtefact } from './types.ts';

export interface ModelIdentity {
  readonly id: string;
  readonly version: string;
}

/** For each of the card's inputs its place among the numeric inputs, or among the categories. */
function placesOf(inputs: readonly CardInput[]): Int32Array {
  let [numeric, categories] = [0, 0];
  return Int32Array.from(inputs, (input) => (isCategory(input) ? categories++ : numeric++));
}

/**
 * The logits of the row prepared in slot 0, whose codes are given, with each input in turn at its training mean; a category has
 * none and is set to "other".
 */
function occludedLogits(
  kernel: KernelInstance,
  inputs: readonly CardInput[],
  places: Int32Array,
  baseline: Float32Array,
  codes: readonly number[],
): Float64Array {
  const { inputsPadded } = kernel.layout;
  const prepared = kernel.prepared.slice(0, inputsPadded);
  const logits = new Float64Array(inputs.length);
  for (let first = 0; first < inputs.length; first += kernelBlockRows) {
    const rows = Math.min(kernelBlockRows, inputs.length - first);
    for (let row = 0; row < rows; row++) {
      kernel.prepared.set(prepared, row * inputsPadded);
      codes.forEach((code, category) => kernel.select(row, category, code));
      const place = places[first + row] ?? 0;
      const input = inputs[first + row];
      if (input !== undefined && isCategory(input)) kernel.select(row, place, codeOther);
      else kernel.prepared[row * inputsPadded + place] = baseline[place] ?? 0;
    }
    kernel.forward(rows);
    logits.set(kernel.logits.subarray(0, rows), first);
  }
  return logits;
}

/** The training mean of each numeric input as the first layer sees it: the leading normalisation's shift, else 0. */
function trainingMean(network: Network): Float32Array {
  return network.scaling ? Float32Array.from(network.scaling.shift) : new Float32Array(network.inputs);
}

export function bindCompiled(
  { id, version }: ModelIdentity,
  inputs: readonly CardInput[],
  artefact: ModelArtefact,
  network: Network,
  layout: FrameLayout,
): BoundModel {
  const columns = inputColumns(inputs, layout);
  const kernel = instantiateKernel(network, numericInputs(inputs));
  const baseline = trainingMean(network);
  const places = placesOf(inputs);
  const stride = kernel.layout.inputsPadded;
  const { categories } = columns;

  function run(frame: Frame, first: number, rows: number): void {
    gatherRows(frame, columns, first, rows, kernel.facts, stride);
    for (let category = 0; category < categories.length; category++) {
      const from = categories[category];
      if (from === undefined) continue;
      for (let row = 0; row < rows; row++) kernel.select(row, category, codeAt(frame, from, first + row));
    }
    kernel.prepare(rows);
    kernel.forward(rows);
  }

  function score(frame: Frame, probabilities: Float64Array): void {
    for (let first = 0; first < frame.rows; first += kernelBlockRows) {
      const rows = Math.min(kernelBlockRows, frame.rows - first);
      run(frame, first, rows);
      for (let row = 0; row < rows; row++) probabilities[first + row] = kernel.probabilities[row] ?? Number.NaN;
    }
  }

  function explain(frame: Frame, row: number, top: number): readonly Contribution[] {
    run(frame, row, 1);
    const logit = kernel.logits[0] ?? Number.NaN;
    const codes = categories.map((category) => codeAt(frame, category, row));
    return rankContributions(inputs, logit, occludedLogits(kernel, inputs, places, baseline, codes), top);
  }

  function logits(rows: Float64Array): Float64Array {
    const width = inputs.length;
    const out = new Float64Array(rows.length / width);
    for (let first = 0; first < out.length; first += kernelBlockRows) {
      const count = Math.min(kernelBlockRows, out.length - first);
      for (let row = 0; row < count; row++) {
        const at = (first + row) * width;
        inputs.forEach((input, i) => {
          const value = rows[at + i] ?? Number.NaN;
          const place = places[i] ?? 0;
          if (isCategory(input)) kernel.select(row, place, value);
          else kernel.facts[row * stride + place] = value;
        });
      }
      kernel.prepare(count);
      kernel.forward(count);
      out.set(kernel.logits.subarray(0, count), first);
    }
    return out;
  }

  return {
    id,
    version,
    backend: 'kernel',
    inputs,
    background: backgroundOf(artefact, inputs) ?? [meanRow(network, inputs)],
    score,
    explain,
    gather: (frame, row) => gatherInputs(frame, columns, row),
    logits,
  };
}
