/** What of the decisions and labels topics touches the entities of sampled payments, with the time in which it was counted. */
import type { Decision } from '../domain/decision.ts';
import { decodeLabel } from '../domain/decodeLabel.ts';
import { aheadMsMax } from '../domain/bounds.ts';
import { isRefusal } from '../domain/refusal.ts';
import type { FeatureProgram } from '../features/types.ts';
import { paymentKey } from './codec.ts';
import { decodeDecisionMessage, type DecisionMessage, DecisionMessageError, decisionParts } from './decisionMessage.ts';
import { decisionOf, entitiesOf, ParitySample } from './parityTally.ts';
import { parityBounds } from './parityTypes.ts';
import type { DecisionRecord, Message } from './ports.ts';
import { topics } from './ports.ts';
import { RecordedPayments } from './recordedPayments.ts';
import { RelatedPayments, type SharedPayment, type WantedPayment } from './relatedPayments.ts';
import { sharedParityBounds, type SharedParityOptions } from './sharedParityTypes.ts';

/** A label of such a payment; it was counted in [fromMs, toMs], or never where `perhaps`. */
export interface SharedLabel {
  readonly of: SharedPayment;
  readonly fraud: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly perhaps: boolean;
}

export interface SharedHistory {
  /** By key of the payment, in the order in which they were probably counted. */
  readonly payments: ReadonlyMap<string, SharedPayment>;
  readonly labels: readonly SharedLabel[];
  /** Every payment whose event time is not before it was read; −Infinity where the topic was read whole. */
  readonly sinceMs: number;
  readonly labelsWhole: boolean;
  /** Keys of sampled payments that share entities with too many. */
  readonly givenUp: ReadonlySet<string>;
}

/** The payments that share entities with the sample have more labels than may be kept. */
export class TooManyLabels extends Error {
  override readonly name = 'TooManyLabels';
}

export interface SharedSample {
  readonly record: DecisionRecord;
  readonly featureNames: readonly string[];
}

function messageOf(value: Uint8Array): DecisionMessage | undefined {
  try {
    return decodeDecisionMessage(value);
  } catch (error) {
    if (error instanceof DecisionMessageError) return undefined;
    throw error;
  }
}

type Reading = Pick<SharedParityOptions, 'log' | 'pause'>;

/** The newest messages, with pauses. A page is of one partition. */
async function* newest({ log, pause }: Reading, topic: typeof topics.decisions | typeof topics.labels, max: number) {
  let read = 0;
  for await (const page of log.read(topic, max)) {
    for (const message of page) {
      if (++read % parityBounds.sliceEntries === 0) await pause();
      yield message;
    }
  }
}

/** The sample, chosen of the topic's end. */
export async function readSample(options: SharedParityOptions): Promise<readonly SharedSample[]> {
  const { lookBackEntries, decidedBeforeMs } = options;
  const chosen = new ParitySample(options.sample, options.seed);
  const names = new Map<string, readonly string[]>();
  for await (const { value } of newest(options, topics.decisions, lookBackEntries)) {
    // A copy: what is kept of a few messages would keep the whole fetch that each came with.
    const message = messageOf(Uint8Array.from(value));
    if (message === undefined) continue;
    const { record, featureNames } = message;
    if (Date.parse(decisionOf(record).decidedAt) >= decidedBeforeMs) continue;
    chosen.add(record);
    names.set(record.releaseId, featureNames);
  }
  return chosen.records().map((record) => ({ record, featureNames: names.get(record.releaseId) ?? [] }));
}

/** When the state counted the payment of a decision, as far as its decision tells. */
function countedIn({ decidedAt, latencyMicros, degraded }: Decision): { fromMs: number; toMs: number } {
  const { clockSkewMs, backlogMs } = sharedParityBounds;
  const decidedAtMs = Date.parse(decidedAt);
  const late = degraded.some((stage) => stage.startsWith('velocity:')) ? backlogMs : 0;
  return { fromMs: decidedAtMs - latencyMicros / 1000 - clockSkewMs, toMs: decidedAtMs + clockSkewMs + late };
}

/** Since when everything is among what is read: partitions begin at different times. */
class Coverage {
  readonly #seen = new Set<number>();
  sinceMs = Number.NEGATIVE_INFINITY;

  /** @param decidedAtMs asked for where the partition does not begin with its first message */
  add({ partition, offset, appendedAtMs }: Message, decidedAtMs: () => number): void {
    if (this.#seen.has(partition)) return;
    this.#seen.add(partition);
    if (offset === 0) return;
    // What is before it in the topic may have been decided after it, if it came from a spool, and may have been dated ahead.
    const beganMs = Math.max(decidedAtMs(), appendedAtMs ?? Number.NEGATIVE_INFINITY);
    this.sinceMs = Math.max(this.sinceMs, beganMs + aheadMsMax);
  }
}

async function readPayments(
  options: SharedParityOptions,
  programs: readonly FeatureProgram[],
  wanted: readonly WantedPayment[],
) {
  const recorded = new RecordedPayments();
  const coverage = new Coverage();
  const related = new RelatedPayments<SharedPayment>(wanted, options.relatedPaymentsMax);
  for await (const message of newest(options, topics.decisions, options.entriesMax)) {
    const parts = decisionParts(message.value);
    if (parts === undefined) continue;
    coverage.add(message, () => Date.parse(decisionOf(parts).decidedAt));
    const payment = recorded.of(parts);
    if (payment === undefined) continue;
    const decision = decisionOf(parts);
    const { tenantId } = decision;
    const key = paymentKey(tenantId, payment.paymentId);
    const changed = programs.flatMap((program) => entitiesOf(program.entities, tenantId, payment));
    const entities = related.wantedOf(key, changed);
    if (entities !== undefined) related.keep(key, { tenantId, payment, entities, ...countedIn(decision) });
  }
  const inOrder = [...related.kept].sort(
    ([, a], [, b]) => a.fromMs - b.fromMs || a.payment.occurredAtMs - b.payment.occurredAtMs,
  );
  return { payments: new Map(inOrder), sinceMs: coverage.sinceMs, givenUp: related.givenUp };
}

/** Labels of the payments, those that came first ahead; the last of a payment stands. @throws TooManyLabels */
async function readLabels(
  options: SharedParityOptions,
  payments: ReadonlyMap<string, SharedPayment>,
  tenantId: string,
) {
  const { labelMs, clockSkewMs, labelsMax } = sharedParityBounds;
  const labels: SharedLabel[] = [];
  const firsts = new Map<number, number>();
  for await (const { partition, offset, value, appendedAtMs } of newest(options, topics.labels, options.entriesMax)) {
    if (!firsts.has(partition)) firsts.set(partition, offset);
    const label = decodeLabel(value, Number.MAX_SAFE_INTEGER);
    const of = isRefusal(label) ? undefined : payments.get(paymentKey(tenantId, label.paymentId));
    if (isRefusal(label) || of === undefined) continue;
    if (labels.length >= labelsMax) throw new TooManyLabels();
    const fromMs = (appendedAtMs ?? label.labelledAtMs) - clockSkewMs;
    const perhaps = fromMs - of.toMs > options.claimMs;
    labels.push({ of, fraud: label.label === 'fraud', fromMs, toMs: fromMs + labelMs, perhaps });
  }
  labels.sort((a, b) => a.fromMs - b.fromMs);
  return { labels, labelsWhole: [...firsts.values()].every((offset) => offset === 0) };
}

/** Labels on their topic are of this tenant (see docs/roles.md). */
const labelsTenantId = 'default';

/** Reads both topics as far back as the bounds allow. @throws TooManyLabels */
export async function readHistory(
  options: SharedParityOptions,
  programs: readonly FeatureProgram[],
  wanted: readonly WantedPayment[],
): Promise<SharedHistory> {
  const { payments, ...found } = await readPayments(options, programs, wanted);
  return { payments, ...found, ...(await readLabels(options, payments, labelsTenantId)) };
}
