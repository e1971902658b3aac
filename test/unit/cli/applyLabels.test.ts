// Guarantee: a label on the topic is counted and remembered with its payment, however long the decision cache is away
// meanwhile; it goes to the dead letters only when there is surely no such payment.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLabelApplier } from '../../../src/cli/roles/applyLabels.ts';
import type { Payment } from '../../../src/domain/payment.ts';
import { ClaimedStore } from '../../../src/pipeline/claimedStore.ts';
import { systemClock } from '../../../src/pipeline/clock.ts';
import { LabelConsumer } from '../../../src/pipeline/labelConsumer.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { recordOf } from '../../conformance/records.ts';
import { MemoryDecisionCache } from '../../helpers/memoryDecisionCache.ts';
import { MemoryLog } from '../../helpers/memoryLog.ts';
import { MemoryTopics } from '../../helpers/memoryTopics.ts';
import { readAll } from '../../helpers/messages.ts';
import { claimedOptions } from '../../helpers/redisStores.ts';

const tenantId = 'default';
const labelledAtMs = Date.UTC(2026, 0, 5);

let log: MemoryLog;
let cache: MemoryDecisionCache;
let away: boolean;
let marked: string[];
let failures: unknown[];
let labels: LabelConsumer;

/** A process that has decided nothing itself, over the cache. */
function startConsumer(): LabelConsumer {
  const reach = <T>(effect: () => Promise<T>): Promise<T> => (away ? Promise.reject(new Error('away')) : effect());
  const store = new ClaimedStore({
    ...claimedOptions(new MemoryTopics()),
    cache: {
      lookup: (tenant, ids) => reach(() => cache.lookup(tenant, ids)),
      claim: (records, write) => reach(() => cache.claim(records, write)),
      markPublished: (records) => reach(() => cache.markPublished(records)),
      recordLabels: (tenant, own) => reach(() => cache.recordLabels(tenant, own)),
      labelsOf: (tenant, paymentId) => reach(() => cache.labelsOf(tenant, paymentId)),
    },
  });
  const markLabel = async (_tenant: string, payment: Payment, fraud: boolean): Promise<void> => {
    marked.push(`${payment.paymentId} ${fraud ? 'fraud' : 'legitimate'}`);
  };
  const consumer = new LabelConsumer({
    log,
    apply: createLabelApplier({ records: store, cache, velocity: { markLabel } }, tenantId),
    clock: systemClock,
    onFailure: (error) => failures.push(error),
    onDead: () => {},
    onDeadLetter: () => {},
  });
  consumer.start();
  return consumer;
}

beforeEach(async () => {
  log = new MemoryLog(1);
  cache = new MemoryDecisionCache();
  away = false;
  marked = [];
  failures = [];
  const payment = { paymentId: 'p', occurredAt: '2026-01-04T12:00:00.000Z', amountMinor: 1, currency: 'EUR' };
  const bytes = Buffer.from(JSON.stringify({ ...payment, customerId: 'c' }));
  await cache.claim([{ ...recordOf('p'), payment: bytes }], [true]);
  for (const paymentId of ['nobody', 'p']) {
    const label = { paymentId, label: 'fraud', source: 'chargeback', labelledAt: new Date(labelledAtMs).toISOString() };
    await log.append(topics.labels, [{ key: paymentId, value: Buffer.from(JSON.stringify(label)) }]);
  }
});
afterEach(() => labels.stop());

const deadLetters = async (): Promise<string[]> =>
  (await readAll(log, topics.deadletter)).map(
    ({ value }) => (JSON.parse(Buffer.from(value).toString()) as { code: string }).code,
  );
const applied = (): Promise<void> => expect.poll(() => marked, { timeout: 20_000 }).toEqual(['p fraud']);

test('a label is applied, and one of no payment is kept as a dead letter', async () => {
  labels = startConsumer();
  await applied();
  expect(await cache.labelsOf(tenantId, 'p')).toEqual([
    { paymentId: 'p', label: 'fraud', source: 'chargeback', labelledAtMs },
  ]);
  await expect.poll(deadLetters).toEqual(['payment_unknown']);
});

test('while the cache is away labels wait; none is given up', async () => {
  away = true;
  labels = startConsumer();
  await expect.poll(() => failures.length, { timeout: 20_000 }).toBeGreaterThan(1);
  expect(await deadLetters()).toEqual([]);
  away = false;
  await applied();
  await expect.poll(deadLetters).toEqual(['payment_unknown']);
});
