/**
 * The live parity check: feature vectors as they were recorded, against the same vectors computed again from the log, from
 * nothing, by the same feature code. Of the log only what touches an entity of a sampled payment is counted again, in the
 * order in which the velocity state saw it, so every entity of a sampled payment is whole.
 *
 * Values must agree bit for bit. A value that is not exact, on either side, may differ within the two bounds: that is
 * counted apart, as are payments that cannot be compared, each with its reason; none of them as a match.
 */
import type { Decision } from '../domain/decision.ts';
import { createPaymentDecoder } from '../domain/decode.ts';
import { Payment } from '../domain/payment.ts';
import { fieldValue } from '../features/fields.ts';
import { createFeatureMatrix, type FeatureMatrix } from '../features/frame.ts';
import { hashText } from '../features/hash.ts';
import type { FeatureProgram } from '../features/types.ts';
import { paymentKey } from './codec.ts';
import {
  parityBounds,
  type ParityMismatch,
  type ParityOptions,
  type ParityReason,
  type ParityReport,
} from './parityTypes.ts';
import type { DecisionRecord } from './ports.ts';

interface Sampled {
  readonly record: DecisionRecord;
  readonly payment: Payment;
}

/** Counts everything; the log is read twice, the first time only its end. */
class Check {
  readonly options: ParityOptions;
  readonly decoder = createPaymentDecoder();
  readonly reasons = new Map<ParityReason, number>();
  readonly shown: ParityMismatch[] = [];
  compared = 0;
  values = 0;
  withinBounds = 0;
  mismatches = 0;

  constructor(options: ParityOptions) {
    this.options = options;
  }

  skip(reason: ParityReason, payments = 1): void {
    if (payments > 0) this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + payments);
  }

  paymentOf(record: DecisionRecord): Payment | undefined {
    const payment = this.decoder.decode(record.payment, Number.POSITIVE_INFINITY);
    return payment instanceof Payment ? payment : undefined;
  }

  compare({ record }: Sampled, program: FeatureProgram, again: FeatureMatrix): void {
    this.compared++;
    program.names.forEach((feature, i) => {
      this.values++;
      const online = record.features[i] as number;
      const recomputed = again.values[i] as number;
      const bound = (record.bounds[i] as number) + (again.bounds[i] as number);
      if (Object.is(online, recomputed) && Object.is(record.bounds[i], again.bounds[i])) return;
      if (bound > 0 && (Object.is(online, recomputed) || Math.abs(online - recomputed) <= bound)) {
        this.withinBounds++;
        return;
      }
      this.mismatches++;
      if (this.shown.length >= parityBounds.shownMax) return;
      const shown = (value: number): number | null => (Number.isNaN(value) ? null : value);
      const { tenantId, paymentId } = record;
      this.shown.push({ tenantId, paymentId, feature, online: shown(online), recomputed: shown(recomputed) });
    });
  }

  report(sampled: number): ParityReport {
    const { compared, values, withinBounds, mismatches, shown } = this;
    const notComparable = Object.fromEntries(this.reasons);
    return { sampled, compared, values, withinBounds, mismatches, shown, notComparable };
  }
}

/** The `max` decisions of the log's end whose hash is smallest: a sample that nothing but the seed chose. */
async function sampleOf({ options }: Check): Promise<readonly DecisionRecord[]> {
  const { log, lookBackEntries, seed, decidedBeforeMs } = options;
  const max = Math.min(options.sample, parityBounds.sampleMax);
  const { last } = log.ends();
  let chosen: { readonly order: number; readonly record: DecisionRecord }[] = [];
  const keepBest = (): void => {
    chosen = chosen.sort((a, b) => a.order - b.order).slice(0, max);
  };
  let read = 0;
  for (const entry of log.recent(Math.max(1, last - lookBackEntries + 1))) {
    if (++read % parityBounds.sliceEntries === 0) await options.pause();
    if (entry.kind !== 'decision') continue;
    const { record } = entry;
    if (decidedAtMs(record) >= decidedBeforeMs) continue;
    chosen.push({ order: hashText(`${seed} ${record.tenantId} ${record.paymentId}`), record });
    if (chosen.length >= 2 * max + parityBounds.sliceEntries) keepBest();
  }
  keepBest();
  return chosen.map(({ record }) => record);
}

const decisionOf = (record: DecisionRecord): Decision =>
  JSON.parse(Buffer.from(record.decision).toString()) as Decision;
const decidedAtMs = (record: DecisionRecord): number => Date.parse(decisionOf(record).decidedAt);
const isDegraded = (record: DecisionRecord): boolean =>
  decisionOf(record).degraded.some((stage) => stage.startsWith('velocity:'));

/** The entities of a payment by these plans, by kind and values, as texts that only this check knows. */
function entitiesOf(plans: FeatureProgram['entities'], tenantId: string, payment: Payment): string[] {
  return plans.flatMap(({ kind, fields }) => {
    const values = fields.map((field) => fieldValue(payment, field));
    return values.includes(undefined) ? [] : [JSON.stringify([tenantId, kind, ...values])];
  });
}

/** Counts the log again for the payments of one release, and compares each where its turn comes. */
async function checkRelease(check: Check, program: FeatureProgram, sampled: readonly Sampled[]): Promise<void> {
  const { options } = check;
  const memory = options.createMemory(program);
  const again = createFeatureMatrix(program.names.length, 1);
  const due = new Map(sampled.map((one) => [paymentKey(one.record.tenantId, one.record.paymentId), one]));
  const read = [...program.entities, ...program.roles];
  const wanted = new Set(sampled.flatMap(({ record, payment }) => entitiesOf(read, record.tenantId, payment)));
  const related = new Map<string, Payment>();
  let turn = 0;
  for (const entry of options.log.inOrder()) {
    if (++turn % parityBounds.sliceEntries === 0) await options.pause();
    if (due.size === 0) break;
    if (entry.kind === 'label') {
      const { tenantId, paymentId, label } = entry.label;
      const payment = related.get(paymentKey(tenantId, paymentId));
      if (payment !== undefined) memory.markLabel(tenantId, { payment, fraud: label === 'fraud' }, turn);
      continue;
    }
    const { record } = entry;
    const payment = check.paymentOf(record);
    if (payment === undefined) continue;
    if (!entitiesOf(program.entities, record.tenantId, payment).some((entity) => wanted.has(entity))) continue;
    if (related.size >= parityBounds.relatedPaymentsMax) {
      check.skip('too_many_payments', due.size);
      return;
    }
    const key = paymentKey(record.tenantId, record.paymentId);
    related.set(key, payment);
    memory.appendAndRead(record.tenantId, [payment], again, turn);
    const one = due.get(key);
    if (one === undefined) continue;
    due.delete(key);
    check.compare(one, program, again);
  }
  // In the log's end and not in the log: it was read while it grew.
  check.skip('log_begins_later', due.size);
}

/** The sampled payments that can be compared, by release. */
function comparable(check: Check, records: readonly DecisionRecord[]): ReadonlyMap<string, readonly Sampled[]> {
  const { first, last } = check.options.log.ends();
  const byRelease = new Map<string, Sampled[]>();
  for (const record of records) {
    const payment = check.paymentOf(record);
    const group = byRelease.get(record.releaseId);
    if (first > 1) check.skip('log_begins_later');
    else if (last > check.options.entriesMax) check.skip('log_too_long');
    else if (isDegraded(record)) check.skip('velocity_degraded');
    else if (payment === undefined) check.skip('payment_unreadable');
    else if (group !== undefined) group.push({ record, payment });
    else if (byRelease.size >= parityBounds.releasesMax) check.skip('too_many_releases');
    else byRelease.set(record.releaseId, [{ record, payment }]);
  }
  return byRelease;
}

function programOrNone({ options }: Check, releaseId: string, features: number): FeatureProgram | undefined {
  try {
    const program = options.programOf(releaseId);
    return program.names.length === features ? program : undefined;
  } catch {
    return undefined;
  }
}

/** @see the head of this file. Rejects where the log cannot be read. */
export async function checkParity(options: ParityOptions): Promise<ParityReport> {
  const check = new Check(options);
  const records = await sampleOf(check);
  for (const [releaseId, sampled] of comparable(check, records)) {
    const program = programOrNone(check, releaseId, sampled[0]?.record.features.length ?? 0);
    if (program === undefined) check.skip('release_unreadable', sampled.length);
    else await checkRelease(check, program, sampled);
  }
  return check.report(records.length);
}
