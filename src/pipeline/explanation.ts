/** Why a recorded decision came out as it did, and what would have changed it: computed on demand from what was recorded. */
import type { Decision } from '../domain/decision.ts';
import { codeMissing, codeOther } from '../features/frame.ts';
import { isCategory } from '../models/inputs.ts';
import { type Attribution, shapley } from '../models/shapley.ts';
import type { BoundModel } from '../models/types.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import { type Counterfactuals, counterfactualsOf } from './counterfactuals.ts';
import { recordedRow } from './decisionView.ts';
import type { DecisionRecord } from './ports.ts';
import { Rescorer } from './rescore.ts';
import { degradedBit } from './serialise.ts';

/** Rows that the model scores for one attribution: some 30 ms of the kernel, in many short turns. */
const evaluationsMax = 20_000;
const seed = 1;
/** A model that TF.js computes is allowed to be so far from what was recorded. */
const probabilityTolerance = 1e-5;

export interface InputContribution {
  readonly fact: string;
  /** As the model was given it; null where missing, "other" for a text beyond the vocabulary. */
  readonly value: number | string | null;
  /** In logits; positive pushes towards fraud. */
  readonly contribution: number;
  readonly standardError: number;
}

export interface ModelExplanation {
  readonly id: string;
  readonly version: string;
  readonly backend: BoundModel['backend'];
  readonly method: Attribution['method'];
  /** Mean logit of the background; base + all contributions = logit. */
  readonly base: number;
  readonly logit: number;
  readonly probability: number;
  readonly contributions: readonly InputContribution[];
  readonly backgroundRows: number;
  readonly pairs: number;
  readonly evaluations: number;
}

export interface DecisionExplanation {
  readonly decisionId: string;
  readonly paymentId: string;
  readonly releaseId: string;
  readonly action: Decision['action'];
  /** Whether scoring what was recorded again gave the recorded action and probability. */
  readonly reproduced: boolean;
  /** Null where the model did not score. */
  readonly model: ModelExplanation | null;
  /** Of a held payment; nothing is searched for one that was allowed. */
  readonly counterfactuals: Counterfactuals;
}

function valueOf(model: BoundModel, input: number, value: number): InputContribution['value'] {
  const card = model.inputs[input];
  if (card === undefined || !isCategory(card)) return Number.isNaN(value) ? null : value;
  if (value === codeMissing) return null;
  return value === codeOther ? 'other' : (card.vocabulary[value - codeOther - 1] ?? 'other');
}

function* explainModel(
  model: BoundModel,
  row: Float64Array,
  probability: number,
): Generator<undefined, ModelExplanation> {
  const attribution = yield* shapley(model, row, { evaluationsMax, seed });
  const { method, base, logit, backgroundRows, pairs, evaluations } = attribution;
  const contributions = model.inputs
    .map(({ fact }, input) => ({
      fact,
      value: valueOf(model, input, row[input] ?? Number.NaN),
      contribution: attribution.contributions[input] ?? 0,
      standardError: attribution.standardErrors[input] ?? 0,
    }))
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const { id, version, backend } = model;
  return { id, version, backend, method, base, logit, probability, contributions, backgroundRows, pairs, evaluations };
}

const nothingSearched: Counterfactuals = { found: [], text: '', checked: { amounts: 0, known: 0, counts: 0 } };

/** Pauses (yields) every few hundred rows of the model, so that payments have their turn in between. */
export function* explainDecision(
  record: DecisionRecord,
  release: CompiledRelease,
): Generator<undefined, DecisionExplanation> {
  // It was checked before it was recorded.
  const decision = JSON.parse(Buffer.from(record.decision).toString()) as Decision;
  const probability = decision.model?.probability ?? Number.NaN;
  const batch = recordedRow(record, release, probability);
  const [payment] = batch.payments;
  if (payment === undefined) throw new Error('a recorded row has a payment');
  const degraded = decision.degraded.reduce((bits, stage) => bits | degradedBit(stage), 0);
  const rescorer = new Rescorer(release, degraded, decision.model !== null);
  const features = Float64Array.from(record.features);
  const [again] = rescorer.score([{ payment, features }]);
  const sameProbability =
    decision.model === null || Math.abs((again?.probability ?? Number.NaN) - probability) <= probabilityTolerance;
  const { model } = release;
  yield undefined;
  return {
    decisionId: decision.decisionId,
    paymentId: decision.paymentId,
    releaseId: decision.releaseId,
    action: decision.action,
    reproduced: again?.action === decision.action && sameProbability,
    counterfactuals:
      decision.action === 'hold' ? yield* counterfactualsOf(release, payment, features, rescorer) : nothingSearched,
    model:
      model === null || decision.model === null
        ? null
        : yield* explainModel(model, model.gather(batch.frame, 0), probability),
  };
}
