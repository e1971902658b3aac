import { resolve } from 'node:path';
import { Registry } from 'prom-client';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { systemClock } from '../../../src/pipeline/clock.ts';
import { listDeadLetters } from '../../../src/pipeline/deadletter.ts';
import { SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import { createPipelineMetrics } from '../../../src/pipeline/metrics.ts';
import { Pipeline } from '../../../src/pipeline/pipeline.ts';
import type { DecisionStore, VelocityStore } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { StreamConsumer, streamGroup } from '../../../src/pipeline/stream.ts';
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import { compileRelease } from '../../../src/releases/compile.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';
import { Random } from '../../../src/simulator/random.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { MemoryDecisionStore } from '../../helpers/memoryDecisionStore.ts';
import { MemoryLog } from '../../helpers/memoryLog.ts';
import { readAll } from '../../helpers/messages.ts';

const partitions = 4;
const seed = testSeed();
let release: CompiledRelease;
let log: MemoryLog;
let decisions: MemoryDecisionStore;
let failures: unknown[];
let died: SubscriptionDead | undefined;

function paymentOf(n: number, customer: string, changes: Record<string, unknown> = {}): { key: string; value: Buffer } {
  const payment = {
    paymentId: `p-${n}`,
    occurredAt: new Date(Date.now() - 1000).toISOString(),
    amountMinor: 1250,
    currency: 'EUR',
    customerId: customer,
    ...changes,
  };
  return { key: customer, value: Buffer.from(JSON.stringify(payment)) };
}

/** @param record stands in front of the store's own. */
function makeStream(
  record: (inner: DecisionStore['record']) => DecisionStore['record'] = (inner) => inner,
): StreamConsumer {
  const memory = createVelocityMemory(release.features, {});
  const velocity: VelocityStore = {
    inProcess: true,
    async appendAndRead(tenantId, payments, out, batch) {
      memory.appendAndRead(tenantId, payments, out, batch);
      return [];
    },
    retract: (tenantId, payment) => memory.retract(tenantId, payment),
    markLabel: async (tenantId, payment, fraud, batch) => memory.markLabel(tenantId, { payment, fraud }, batch),
  };
  const store: DecisionStore = {
    lookup: (tenantId, ids) => decisions.lookup(tenantId, ids),
    record: record((...args) => decisions.record(...args)),
    recordLabels: (tenantId, labels) => decisions.recordLabels(tenantId, labels),
    labelsOf: () => decisions.labelsOf(),
  };
  const pipeline = new Pipeline({
    release,
    store,
    velocity,
    pool: undefined,
    clock: systemClock,
    metrics: createPipelineMetrics(new Registry()),
    onStageFailure: () => {},
  });
  return new StreamConsumer({
    log,
    store,
    pipeline,
    clock: systemClock,
    tenantId: 'default',
    onFailure: (error) => failures.push(error),
    onDead: (error) => {
      died = error;
    },
    onDeadLetter: () => {},
  });
}

beforeAll(async () => {
  release = await compileRelease(await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default')));
});
beforeEach(() => {
  log = new MemoryLog(partitions);
  decisions = new MemoryDecisionStore();
  failures = [];
  died = undefined;
});

async function drain(stream: StreamConsumer): Promise<void> {
  stream.start();
  await expect
    .poll(async () => (await (await log.subscribe(streamGroup, topics.payments)).lag()) === 0, { timeout: 20_000 })
    .toBe(true);
  await stream.stop();
}

describe('the stream of payments', () => {
  test(`with a store that fails at random, duplicates in all partitions and many batches in flight, every payment is decided and no position overtakes a decision (seed ${seed})`, async () => {
    const random = new Random(seed);
    const messages = Array.from({ length: 5000 }, () => {
      const n = random.below(2500);
      // The same id under another customer comes by another partition, and is a conflict.
      return paymentOf(n, `c${random.below(10) === 0 ? (n + 1) % 50 : n % 50}`);
    });
    await log.append(topics.payments, messages);
    const all = await readAll(log, topics.payments);
    const idOf = (value: Uint8Array): string =>
      (JSON.parse(Buffer.from(value).toString()) as { paymentId: string }).paymentId;
    const overtaken: string[] = [];
    log.onCommit = ({ partition, nextOffset }) => {
      for (const message of all) {
        if (message.partition !== partition || message.offset >= nextOffset) continue;
        if (!decisions.records.has(`default/${idOf(message.value)}`)) overtaken.push(`${partition}/${message.offset}`);
      }
      if (random.below(6) === 0) throw new Error('the commit was refused');
    };
    const stream = makeStream((inner) => async (...args) => {
      for (let turns = random.below(4); turns > 0; turns--) await new Promise((done) => setImmediate(done));
      if (random.below(10) === 0) throw new Error('the store was away');
      return inner(...args);
    });
    await drain(stream);
    expect(overtaken).toEqual([]);
    expect(new Set(all.map(({ value }) => idOf(value))).size).toBe(decisions.records.size);
    expect(failures.length).toBeGreaterThan(0);
    const conflicts = await listDeadLetters(log);
    expect(new Set(conflicts.map(({ code }) => code))).toEqual(new Set(['payment_conflict']));
  }, 60_000);

  test('a payment whose first batch fails does not hang the batch that waits for it', async () => {
    const gate = Promise.withResolvers<void>();
    let attempts = 0;
    const stream = makeStream((inner) => async (...args) => {
      if (attempts++ > 0) return inner(...args);
      await gate.promise;
      throw new Error('the store was away');
    });
    // Two polls' worth: the second batch repeats payments of the first.
    const batch = Array.from({ length: 256 }, (_, n) => paymentOf(n, 'c'));
    await log.append(topics.payments, [...batch, ...batch]);
    stream.start();
    await expect.poll(() => attempts).toBeGreaterThan(0);
    gate.resolve();
    await drain(stream);
    expect(decisions.records.size).toBe(256);
    expect(failures.length).toBeGreaterThan(0);
  });

  test('what cannot be read is put on the dead-letter topic with place and bytes, its neighbours are decided', async () => {
    await log.append(topics.payments, [paymentOf(1, 'c'), { key: 'c', value: Buffer.from('{') }, paymentOf(2, 'c')]);
    await drain(makeStream());
    expect(decisions.records.size).toBe(2);
    const [letter, ...others] = await listDeadLetters(log);
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ offset: 1, code: 'malformed_json', originalKey: 'c', bytes: 1 });
  });

  test('it stops at once while it waits for messages', async () => {
    const stream = makeStream();
    stream.start();
    await new Promise((done) => setImmediate(done));
    const startedMs = performance.now();
    await stream.stop();
    expect(performance.now() - startedMs).toBeLessThan(900);
  });

  test('a membership that dies is begun anew, and every payment is decided', async () => {
    log.dead = new SubscriptionDead('the coordinator is not found');
    const stream = makeStream();
    stream.start();
    await expect.poll(() => failures.length, { timeout: 20_000 }).toBeGreaterThan(1);
    log.dead = undefined;
    await log.append(topics.payments, [paymentOf(1, 'c'), paymentOf(2, 'c')]);
    await expect.poll(() => decisions.records.size, { timeout: 20_000 }).toBe(2);
    await stream.stop();
    expect(died).toBeUndefined();
  });

  test('one that dies again and again is told to the owner, once', async () => {
    log.dead = new SubscriptionDead('gone');
    const stream = makeStream();
    stream.start();
    await expect.poll(() => died, { timeout: 25_000 }).toBe(log.dead);
    await stream.stop();
    expect(failures.every((failure) => failure === log.dead)).toBe(true);
  });

  test('one whose place another process took is told to the owner at once, and does not join again', async () => {
    log.dead = new SubscriptionDead('another process has the name', { replaced: true });
    const stream = makeStream();
    stream.start();
    await expect.poll(() => died, { timeout: 25_000 }).toBe(log.dead);
    await stream.stop();
    expect(failures).toEqual([]);
  });
});
