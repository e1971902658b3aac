/** Score: frame, model, rules. Synchronous and pure; a scoring worker runs `scoreFrame` on the same shared memory. */
import type { Frame } from '../features/frame.ts';
import type { BoundModel } from '../models/types.ts';
import type { CompiledRules, RuleHits } from '../rules/types.ts';
import type { Batch } from './batch.ts';
import { probabilityScale } from './decisionWriter.ts';
import { degradedBit } from './serialise.ts';

export interface Scorer {
  readonly model: BoundModel | null;
  readonly rules: CompiledRules;
  /** The frame's column for `model.probability`, or -1 where no rule reads it. */
  readonly probabilityColumn: number;
}

export interface ScoreOutput {
  readonly probabilities: Float64Array;
  readonly hits: RuleHits;
}

/** One number for rules, policy, record and explanation: the probability as it is written, to nine decimals. */
function roundProbabilities(probabilities: Float64Array, rows: number): void {
  for (let row = 0; row < rows; row++) {
    probabilities[row] = Math.round((probabilities[row] as number) * probabilityScale) / probabilityScale;
  }
}

/** Model first: rules may read its probability. */
export function scoreFrame(scorer: Scorer, frame: Frame, output: ScoreOutput, withModel: boolean): void {
  if (withModel && scorer.model !== null) {
    scorer.model.score(frame, output.probabilities);
    roundProbabilities(output.probabilities, frame.rows);
  }
  const column = frame.numbers[scorer.probabilityColumn];
  if (column !== undefined) column.set(output.probabilities.subarray(0, frame.rows));
  scorer.rules.evaluate(frame, output.hits);
}

/** Fills the batch's frame from its payments and features. */
export function fillBatch(batch: Batch): void {
  batch.release.fill(batch.frame, batch.payments, batch.payments.length, batch.features);
}

export const modelUnavailableBit = degradedBit('model:unavailable');
const rulesErrorBit = degradedBit('rules:error');

/**
 * Scores a filled batch where it is. A model that fails leaves its rows without probability, rules that fail leave
 * no hits; both are named in `degraded` and the policy decides what that means.
 */
export function scoreInline(batch: Batch, withModel: boolean): unknown {
  const { release, frame } = batch;
  let failure: unknown;
  try {
    scoreFrame(release, frame, batch, withModel);
    return undefined;
  } catch (error) {
    failure = error;
  }
  batch.probabilities.fill(Number.NaN, 0, frame.rows);
  markAll(batch, modelUnavailableBit);
  try {
    scoreFrame(release, frame, batch, false);
  } catch (error) {
    failure = error;
    batch.hits.words.fill(0);
    markAll(batch, rulesErrorBit);
  }
  return failure;
}

export function markAll(batch: Batch, bit: number): void {
  for (let row = 0; row < batch.payments.length; row++) batch.degraded[row] = (batch.degraded[row] as number) | bit;
}
