/** A model's scores on rows of a history whose facts are the model's inputs. */
import { Frame, type FrameLayout, frameRowsMax } from '../../features/frame.ts';
import { bindModel } from '../../models/bind.ts';
import { numericInputs } from '../../models/inputs.ts';
import type { ScoredPayment } from '../../models/metrics.ts';
import type { ModelArtefact, ModelInput } from '../../models/types.ts';
import type { History } from './history.ts';

export function rowFacts(history: History, rows: readonly number[], width: number): Float64Array {
  const facts = new Float64Array(rows.length * width);
  rows.forEach((row, at) => facts.set(history.facts.subarray(row * width, (row + 1) * width), at * width));
  return facts;
}

/** Scores rows as the live path does: through a frame and the bound model. */
async function scoreRows(
  artefact: ModelArtefact,
  inputs: readonly ModelInput[],
  facts: Float64Array,
): Promise<Float64Array> {
  const layout: FrameLayout = { numeric: inputs.map(({ fact }) => fact), categorical: [], featureCount: inputs.length };
  const model = await bindModel(artefact, layout);
  const frame = new Frame(layout, frameRowsMax);
  const width = inputs.length;
  const scores = new Float64Array(facts.length / width);
  for (let first = 0; first < scores.length; first += frameRowsMax) {
    frame.rows = Math.min(frameRowsMax, scores.length - first);
    frame.numbers.forEach((column, input) => {
      for (let row = 0; row < frame.rows; row++) column[row] = facts[(first + row) * width + input] ?? Number.NaN;
    });
    model.score(frame, scores.subarray(first, first + frame.rows));
  }
  return scores;
}

/** The rows of the history as the model scores them. */
export async function scoreHistory(
  artefact: ModelArtefact,
  history: History,
  rows: readonly number[],
): Promise<ScoredPayment[]> {
  const inputs = numericInputs(artefact.card.inputs);
  const scores = await scoreRows(artefact, inputs, rowFacts(history, rows, inputs.length));
  return rows.map((row, at) => ({
    score: scores[at] ?? Number.NaN,
    fraud: history.frauds[row] === 1,
    card: history.cards[row] ?? 0,
    day: history.days[row] ?? 0,
  }));
}
