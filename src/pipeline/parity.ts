/**
 * The live parity check: feature vectors as they were recorded, against the same vectors computed again from the log, from
 * nothing, by the same feature code. Of the log only what touches an entity of a sampled payment is counted again, in the
 * order in which the velocity state saw it, so every entity of a sampled payment is whole.
 *
 * Values must agree bit for bit. A value that is not exact, on either side, may differ within the two bounds: that is
 * counted apart, as are payments that cannot be compared, each with its reason; none of them as a match.
 */
import { createFeatureMatrix, type FeatureMatrix } from '../features/frame.ts';
import type { FeatureProgram } from '../features/types.ts';
import { paymentKey } from './codec.ts';
import { decisionOf, entitiesOf, isDegraded, ParitySample, ParityTally, readBy, type Sampled } from './parityTally.ts';
import { parityBounds, type ParityOptions, type ParityReport } from './parityTypes.ts';
import type { DecisionRecord } from './ports.ts';
import { RecordedPayments } from './recordedPayments.ts';
import { RelatedPayments } from './relatedPayments.ts';

/** One check; the log is read twice, the first time only its end. */
class Check extends ParityTally {
  readonly options: ParityOptions;
  readonly recorded = new RecordedPayments();

  constructor(options: ParityOptions) {
    super();
    this.options = options;
  }

  compare({ record }: Sampled, program: FeatureProgram, again: FeatureMatrix): void {
    this.compared++;
    program.names.forEach((feature, i) => {
      this.values++;
      this.count(record, feature, i, again);
    });
  }
}

/** Chosen of the log's end. */
async function sampleOf({ options }: Check): Promise<readonly DecisionRecord[]> {
  const { log, lookBackEntries, seed, decidedBeforeMs } = options;
  const chosen = new ParitySample(options.sample, seed);
  const { last } = log.ends();
  let read = 0;
  for (const entry of log.recent(Math.max(1, last - lookBackEntries + 1))) {
    if (++read % parityBounds.sliceEntries === 0) await options.pause();
    if (entry.kind !== 'decision') continue;
    if (Date.parse(decisionOf(entry.record).decidedAt) < decidedBeforeMs) chosen.add(entry.record);
  }
  return chosen.records();
}

/** Payments whose entities are too busy are compared no more: what else there is of those is not counted. */
function dropGivenUp(check: Check, due: Map<string, Sampled>, givenUp: ReadonlySet<string>): void {
  for (const key of due.keys()) {
    if (!givenUp.has(key)) continue;
    due.delete(key);
    check.skip('too_many_payments');
  }
}

/** Counts the log again for the payments of one release, and compares each where its turn comes. */
async function checkRelease(check: Check, program: FeatureProgram, sampled: readonly Sampled[]): Promise<void> {
  const { options } = check;
  const memory = options.createMemory(program);
  const again = createFeatureMatrix(program.names.length, 1);
  const due = new Map(sampled.map((one) => [paymentKey(one.record.tenantId, one.record.paymentId), one]));
  const wanted = sampled.map(({ record, payment }) => ({
    key: paymentKey(record.tenantId, record.paymentId),
    entities: entitiesOf(readBy(program), record.tenantId, payment),
  }));
  const related = new RelatedPayments(wanted, options.relatedPaymentsMax);
  let turn = 0;
  for (const entry of options.log.inOrder()) {
    if (++turn % parityBounds.sliceEntries === 0) await options.pause();
    if (due.size === 0) break;
    if (entry.kind === 'label') {
      const { tenantId, paymentId, label } = entry.label;
      const payment = related.kept.get(paymentKey(tenantId, paymentId))?.payment;
      if (payment !== undefined) memory.markLabel(tenantId, { payment, fraud: label === 'fraud' }, turn);
      continue;
    }
    const { record } = entry;
    const payment = check.recorded.of(record);
    if (payment === undefined) continue;
    const key = paymentKey(record.tenantId, record.paymentId);
    const entities = related.wantedOf(key, entitiesOf(program.entities, record.tenantId, payment));
    if (entities === undefined) continue;
    const givenUp = related.givenUp.size;
    related.keep(key, { payment, entities });
    if (related.givenUp.size > givenUp) dropGivenUp(check, due, related.givenUp);
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
    const payment = check.recorded.of(record);
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
