/** A model's scores on rows of a history whose facts are the model's inputs, through a frame and the bound model as live. */
import { Frame, type FrameLayout, frameRowsMax } from '../../features/frame.ts';
import { bindModel } from '../../models/bind.ts';
import { categoryInputs, checkInputs } from '../../models/inputs.ts';
import type { EvaluatedPayment } from '../../models/training/evaluation.ts';
import type { ModelArtefact } from '../../models/types.ts';
import type { History } from '../history/history.ts';
import { segmentFacts } from './data.ts';
import { rowCodes } from './inputs.ts';

/** @param facts the history's numeric facts. @throws ModelError where the model does not bind to them */
export async function scoreRows(
  artefact: ModelArtefact,
  facts: readonly string[],
  history: History,
  rows: Int32Array,
): Promise<Float64Array> {
  const inputs = checkInputs(artefact.card);
  const categorical = categoryInputs(inputs).map(({ fact, vocabulary }) => ({ name: fact, vocabulary }));
  const layout: FrameLayout = { numeric: facts, categorical, featureCount: facts.length };
  const codeOf = rowCodes(history, inputs);
  const model = await bindModel(artefact, layout);
  const frame = new Frame(layout, frameRowsMax);
  const scores = new Float64Array(rows.length);
  for (let first = 0; first < rows.length; first += frameRowsMax) {
    frame.rows = Math.min(frameRowsMax, rows.length - first);
    frame.numbers.forEach((column, fact) => {
      for (let row = 0; row < frame.rows; row++) column[row] = history.facts.value(rows[first + row] ?? 0, fact);
    });
    frame.codes.forEach((column, category) => {
      for (let row = 0; row < frame.rows; row++) column[row] = codeOf[category]?.(rows[first + row] ?? 0) ?? 0;
    });
    model.score(frame, scores.subarray(first, first + frame.rows));
  }
  return scores;
}

/** The groups of a row; each text is made once, not for every payment. */
function groupReader(history: History): (row: number) => readonly string[] {
  const kinds = segmentFacts.map((fact) => {
    const column = history.categories.get(fact);
    const names = ['none', ...(column?.values ?? [])].map((value) => `${fact}=${value}`);
    return (row: number): string => names[column?.codes[row] ?? 0] ?? (names[0] as string);
  });
  return (row) => kinds.map((name) => name(row));
}

/** The rows with their scores, ready to be evaluated. */
export function scoredPayments(history: History, rows: Int32Array, scores: Float64Array): EvaluatedPayment[] {
  const groupsOf = groupReader(history);
  return Array.from(rows, (row, at) => ({
    score: scores[at] ?? Number.NaN,
    fraud: history.frauds[row] === 1,
    card: history.cards[row] ?? 0,
    day: history.days[row] ?? 0,
    amountMinor: history.amountsMinor[row] ?? 0,
    occurredAtMs: history.occurredAtMs[row] ?? 0,
    groups: groupsOf(row),
  }));
}
