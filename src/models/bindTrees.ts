/** A tree ensemble bound to the frames of a release. */
import type { Frame, FrameLayout } from '../features/frame.ts';
import { prepareFact } from './arithmetic.ts';
import { backgroundOf, logitOf } from './background.ts';
import type { ModelIdentity } from './compiled.ts';
import { ModelError } from './errors.ts';
import { rankContributions } from './explain.ts';
import { gatherInputs, inputColumns, numericInputs } from './inputs.ts';
import { probabilityOfSum, readTrees, sumOfLeaves } from './trees.ts';
import type { BoundModel, CardInput, Contribution, ModelArtefact } from './types.ts';

/** @throws ModelError where trees and card do not fit each other or the layout */
export function bindTrees(
  { id, version }: ModelIdentity,
  cardInputs: readonly CardInput[],
  artefact: ModelArtefact,
  layout: FrameLayout,
): BoundModel {
  const inputs = numericInputs(cardInputs);
  if (inputs.length !== cardInputs.length)
    throw new ModelError('model_inputs', 'A tree ensemble takes numbers; its card lists a category.');
  const { trees, keep } = readTrees(artefact, inputs.length);
  const columns = inputColumns(inputs, layout);
  const width = inputs.length;
  const prepared = new Float32Array(width);

  function sumOf(rows: Float64Array, at: number): number {
    for (let i = 0; i < width; i++) {
      const fact = rows[at + i] ?? Number.NaN;
      const input = inputs[i];
      const kept = Number.isNaN(fact) && keep[i] === 1;
      prepared[i] = kept || input === undefined ? Number.NaN : prepareFact(fact, input.transform, input.missing);
    }
    return sumOfLeaves(trees, prepared, 0);
  }

  function score(frame: Frame, probabilities: Float64Array): void {
    const row = new Float64Array(width);
    for (let at = 0; at < frame.rows; at++) {
      for (let i = 0; i < width; i++) {
        const column = frame.numbers[columns.numeric[i]?.column ?? 0];
        row[i] = column?.[at] ?? Number.NaN;
      }
      probabilities[at] = probabilityOfSum(sumOf(row, 0), trees.transform);
    }
  }

  function logits(rows: Float64Array): Float64Array {
    const out = new Float64Array(rows.length / width);
    for (let row = 0; row < out.length; row++) {
      const sum = sumOf(rows, row * width);
      out[row] = trees.transform === 'logistic' ? sum : logitOf(probabilityOfSum(sum, trees.transform));
    }
    return out;
  }

  const background = backgroundOf(artefact, inputs) ?? [Float64Array.from(inputs, ({ missing }) => missing)];
  const baseline = background[0] ?? new Float64Array(width);

  /** Occlusion by the background's first row: trees know no mean. */
  function explain(frame: Frame, row: number, top: number): readonly Contribution[] {
    const own = gatherInputs(frame, columns, row);
    const rows = new Float64Array((width + 1) * width);
    for (let i = 0; i <= width; i++) {
      rows.set(own, i * width);
      if (i < width) rows[i * width + i] = baseline[i] ?? 0;
    }
    const occluded = logits(rows);
    return rankContributions(inputs, occluded[width] ?? Number.NaN, occluded, top);
  }

  const gather = (frame: Frame, row: number): Float64Array => gatherInputs(frame, columns, row);
  return { id, version, backend: 'trees', inputs, background, score, explain, gather, logits };
}
