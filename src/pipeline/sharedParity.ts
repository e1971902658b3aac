/**
 * The parity check over the topics, where several processes decide on one velocity state: recorded features against the same
 * computed again, by the same feature code, from what the decisions and labels topics hold of the sampled payments' entities.
 *
 * No log has the order in which the state saw what several processes sent it at one time. What a decision tells is the time
 * within which its payment was counted. So everything is counted again in the order of those times, and where a value then
 * differs, every order is tried that payments and labels at the very time of the payment allow (parityOrders.ts). A value
 * that one of them gives agrees, and is counted apart; a value that none gives is a mismatch.
 */
import { createFeatureMatrix } from '../features/frame.ts';
import type { FeatureProgram } from '../features/types.ts';
import { paymentKey } from './codec.ts';
import { type FeatureSource, featureSources } from './featureSources.ts';
import { type Differing, OrderTrials } from './parityOrders.ts';
import { agreement, entitiesOf, isDegraded, ParityTally, readBy, type Sampled } from './parityTally.ts';
import { parityBounds, type ParityReport } from './parityTypes.ts';
import { RecordedPayments } from './recordedPayments.ts';
import type { WantedPayment } from './relatedPayments.ts';
import { readHistory, readSample, type SharedHistory, type SharedSample, TooManyLabels } from './sharedHistory.ts';
import type { SharedParityOptions } from './sharedParityTypes.ts';

interface Group {
  readonly program: FeatureProgram;
  readonly sources: readonly FeatureSource[];
  readonly sampled: Sampled[];
}

function programOrNone({ programOf }: SharedParityOptions, { record, featureNames }: SharedSample) {
  try {
    const program = programOf(record.releaseId);
    const same =
      program.names.length === featureNames.length && program.names.every((name, i) => name === featureNames[i]);
    return same ? program : undefined;
  } catch {
    return undefined;
  }
}

/** The sampled payments that can be compared, by release. */
function comparable(
  options: SharedParityOptions,
  tally: ParityTally,
  samples: readonly SharedSample[],
): readonly Group[] {
  const recorded = new RecordedPayments();
  const groups = new Map<string, Group | undefined>();
  for (const sample of samples) {
    const { record } = sample;
    const payment = recorded.of(record);
    if (isDegraded(record)) tally.skip('velocity_degraded');
    else if (payment === undefined) tally.skip('payment_unreadable');
    else if (!groups.has(record.releaseId) && groups.size >= parityBounds.releasesMax) tally.skip('too_many_releases');
    else {
      if (!groups.has(record.releaseId)) {
        const program = programOrNone(options, sample);
        const group = program && { program, sources: featureSources(program), sampled: [] };
        groups.set(record.releaseId, group);
      }
      const group = groups.get(record.releaseId);
      if (group === undefined) tally.skip('release_unreadable');
      else group.sampled.push({ record, payment });
    }
  }
  return [...groups.values()].filter((group) => group !== undefined);
}

const keyOf = ({ record }: Sampled): string => paymentKey(record.tenantId, record.paymentId);

const wantedOf = (groups: readonly Group[]): readonly WantedPayment[] =>
  groups.flatMap(({ program, sampled }) =>
    sampled.map((one) => ({
      key: keyOf(one),
      entities: entitiesOf(readBy(program), one.record.tenantId, one.payment),
    })),
  );

/** Everything that is counted, in its probable order. */
function* events({ payments, labels }: SharedHistory) {
  let next = 0;
  for (const payment of payments.values()) {
    for (let label = labels[next]; label !== undefined && label.fromMs <= payment.fromMs; label = labels[++next]) {
      if (!label.perhaps) yield { label };
    }
    yield { payment };
  }
}

/** What the whole history gives for the payments of one release; where it differs, which features. */
async function countAgain(
  { createMemory, pause }: SharedParityOptions,
  tally: ParityTally,
  { program, sources, sampled }: Group,
  history: SharedHistory,
): Promise<readonly Differing[]> {
  const memory = createMemory(program);
  const again = createFeatureMatrix(program.names.length, 1);
  const due = new Map(sampled.map((one) => [keyOf(one), one]));
  for (const key of history.givenUp) due.delete(key);
  const differing: Differing[] = [];
  let turn = 0;
  for (const { payment: counted, label } of events(history)) {
    if (++turn % parityBounds.sliceEntries === 0) await pause();
    if (label !== undefined) {
      memory.markLabel(label.of.tenantId, { payment: label.of.payment, fraud: label.fraud }, turn);
      continue;
    }
    memory.appendAndRead(counted.tenantId, [counted.payment], again, turn);
    const key = paymentKey(counted.tenantId, counted.payment.paymentId);
    const one = due.get(key);
    if (one === undefined) continue;
    due.delete(key);
    tally.compared++;
    const features: number[] = [];
    program.names.forEach((name, i) => {
      const source = sources[i] as FeatureSource;
      const read = one.payment.occurredAtMs - source.reachMs >= history.sinceMs;
      if (!read || (source.labels && !history.labelsWhole)) {
        tally.notCovered++;
        return;
      }
      tally.values++;
      if (agreement(one.record, i, again) === 'differs') features.push(i);
      else tally.count(one.record, name, i, again);
    });
    if (features.length > 0)
      differing.push({ ...one, program, sources, counted, features, natural: again.values.slice() });
  }
  tally.skip('log_begins_later', due.size);
  return differing;
}

/** @see the head of this file. Rejects where the topics cannot be read. */
export async function checkSharedParity(options: SharedParityOptions): Promise<ParityReport> {
  const tally = new ParityTally();
  const samples = await readSample(options);
  const groups = comparable(options, tally, samples);
  if (groups.length > 0) {
    try {
      const history = await readHistory(
        options,
        groups.map(({ program }) => program),
        wantedOf(groups),
      );
      tally.skip('too_many_payments', history.givenUp.size);
      const differing: Differing[] = [];
      for (const group of groups) differing.push(...(await countAgain(options, tally, group, history)));
      await new OrderTrials(options, tally, history).settle(differing);
    } catch (error) {
      if (!(error instanceof TooManyLabels)) throw error;
      tally.skip(
        'too_many_payments',
        groups.reduce((sum, { sampled }) => sum + sampled.length, 0),
      );
    }
  }
  return tally.report(samples.length);
}
