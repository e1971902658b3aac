/** A recorded decision as people read it: features by name, and the evaluation tree of every rule that fired. */
import type { Decision } from '../domain/decision.ts';
import { createPaymentDecoder } from '../domain/decode.ts';
import type { Label } from '../domain/label.ts';
import type { PaymentJson } from '../domain/payment.ts';
import { Payment } from '../domain/payment.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import { Batch } from './batch.ts';
import type { DecisionRecord } from './ports.ts';
import { fillBatch } from './score.ts';
import type { RecordedDecisionView } from './service.ts';

const decoder = createPaymentDecoder();

/** The frame row as the decision saw it: from the recorded payment and features, never from today's state. */
export function recordedRow(record: DecisionRecord, release: CompiledRelease, probability: number): Batch {
  const payment = decoder.decode(record.payment, Number.POSITIVE_INFINITY);
  if (!(payment instanceof Payment)) throw new Error('a recorded payment no longer decodes');
  const batch = new Batch(release, 1);
  batch.start([payment]);
  batch.features.values.set(record.features);
  fillBatch(batch);
  batch.probabilities[0] = probability;
  const column = batch.frame.numbers[release.probabilityColumn];
  if (column !== undefined) column[0] = probability;
  return batch;
}

function namedFeatures(record: DecisionRecord, names: readonly string[]): RecordedDecisionView['features'] {
  const entries = names.map((name, i) => {
    const value = record.features[i] as number;
    const bound = record.bounds[i] as number;
    const shown = Number.isNaN(value) ? null : value;
    return [name, bound === 0 ? { value: shown } : { value: shown, exact: false as const, bound }] as const;
  });
  return Object.fromEntries(entries);
}

function treesOf(
  { rules, model }: Decision,
  record: DecisionRecord,
  release: CompiledRelease,
): RecordedDecisionView['explanation'] {
  const batch = recordedRow(record, release, model?.probability ?? Number.NaN);
  const [row] = batch.payments as [Payment];
  return rules.flatMap(({ id }) => {
    const rule = release.rules.rules.findIndex((meta) => meta.id === id);
    if (rule < 0) return [];
    const text = release.rules.textOf(rule, batch.frame, 0, row);
    return [{ ruleId: id, text, tree: release.rules.explain(rule, batch.frame, 0, row) }];
  });
}

/** @param release undefined where nobody keeps it any more: the decision is shown with its rules and reasons, nothing is named or evaluated */
export function viewDecision(
  record: DecisionRecord,
  release: CompiledRelease | undefined,
  labels: readonly Label[],
): RecordedDecisionView {
  // Both were checked before they were recorded.
  const decision = JSON.parse(Buffer.from(record.decision).toString()) as Decision;
  const payment = JSON.parse(Buffer.from(record.payment).toString()) as PaymentJson;
  if (release === undefined) return { decision, payment, features: {}, explanation: [], labels };
  const features = namedFeatures(record, release.features.names);
  return { decision, payment, features, explanation: treesOf(decision, record, release), labels };
}
