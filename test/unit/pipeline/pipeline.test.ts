import { resolve } from 'node:path';
import { Registry } from 'prom-client';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import { systemClock } from '../../../src/pipeline/clock.ts';
import { Item } from '../../../src/pipeline/item.ts';
import { createPipelineMetrics } from '../../../src/pipeline/metrics.ts';
import { Pipeline } from '../../../src/pipeline/pipeline.ts';
import type { VelocityStore } from '../../../src/pipeline/ports.ts';
import type { DecideResult } from '../../../src/pipeline/service.ts';
import { Payment } from '../../../src/domain/payment.ts';
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import { compileRelease } from '../../../src/releases/compile.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';
import { MemoryDecisionStore } from '../../helpers/memoryDecisionStore.ts';

const tenant = 'default';
const longMs = 10_000;
let release: CompiledRelease;
let store: MemoryDecisionStore;
let velocity: VelocityStore;
let pipeline: Pipeline;
const failures: string[] = [];

function bytes(overrides: Record<string, unknown> = {}): Buffer {
  const payment = {
    paymentId: 'p-1',
    occurredAt: new Date(Date.now() - 1000).toISOString(),
    amountMinor: 1250,
    currency: 'EUR',
    customerId: 'c-1',
    ...overrides,
  };
  return Buffer.from(JSON.stringify(payment));
}

function decide(body: Uint8Array, deadlineMs = longMs): Promise<DecideResult> {
  const nowMs = performance.now();
  return pipeline.decide(tenant, body, nowMs, nowMs + deadlineMs);
}

function decisionOf(result: DecideResult): Decision {
  if (result.kind !== 'decided') throw new Error(`not decided: ${result.kind}`);
  return JSON.parse(Buffer.from(result.decision).toString()) as Decision;
}

function feature(paymentId: string, name: string): number {
  const record = store.records.get(`${tenant}/${paymentId}`);
  return record?.features[release.features.names.indexOf(name)] ?? Number.NaN;
}

beforeAll(async () => {
  release = await compileRelease(await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default')));
});

beforeEach(() => {
  store = new MemoryDecisionStore();
  const memory = createVelocityMemory(release.features, {});
  velocity = {
    inProcess: true,
    appendAndRead(tenantId, payments, out, batch) {
      memory.appendAndRead(tenantId, payments, out, batch);
      return Promise.resolve([]);
    },
    retract(tenantId, payment) {
      memory.retract(tenantId, payment);
    },
    markLabel(tenantId, payment, fraud, batch) {
      memory.markLabel(tenantId, { payment, fraud }, batch);
      return Promise.resolve();
    },
  };
  failures.length = 0;
  pipeline = makePipeline(velocity);
});

function makePipeline(velocityStore: VelocityStore): Pipeline {
  return new Pipeline({
    release,
    store,
    velocity: velocityStore,
    pool: undefined,
    clock: systemClock,
    metrics: createPipelineMetrics(new Registry()),
    onStageFailure: (stage) => failures.push(stage),
  });
}

describe('the pipeline', () => {
  it('decides a payment, records it with its features, and answers the recorded bytes', async () => {
    const result = await decide(bytes());
    expect(decisionOf(result)).toMatchObject({ paymentId: 'p-1', mode: 'live', degraded: [], releaseId: release.id });
    const recorded = store.records.get(`${tenant}/p-1`);
    expect(
      result.kind === 'decided' && Buffer.from(result.decision).equals(Buffer.from(recorded?.decision ?? [])),
    ).toBe(true);
    expect(feature('p-1', 'customer.count.1h')).toBe(1);
  });

  it('answers the same payment again with the same bytes and counts it once', async () => {
    const body = bytes();
    const first = await decide(body);
    const again = await decide(body);
    expect(again).toMatchObject({ kind: 'decided', replay: true });
    expect(decisionOf(again)).toEqual(decisionOf(first));
    await decide(bytes({ paymentId: 'p-2' }));
    expect(feature('p-2', 'customer.count.1h')).toBe(2);
  });

  it('refuses other content under the same id, in flight and afterwards, and changes nothing', async () => {
    const body = bytes();
    const both = await Promise.all([decide(body), decide(bytes({ amountMinor: 9999 }))]);
    expect(both.map((result) => result.kind)).toEqual(['decided', 'conflict']);
    expect((await decide(bytes({ amountMinor: 9999 }))).kind).toBe('conflict');
    await decide(bytes({ paymentId: 'p-2' }));
    expect(feature('p-2', 'customer.count.1h')).toBe(2);
  });

  it('decides one payment sent many times at once exactly once', async () => {
    const body = bytes();
    const results = await Promise.all(Array.from({ length: 20 }, () => decide(body)));
    expect(new Set(results.map((result) => decisionOf(result).decidedAt)).size).toBe(1);
    expect(results.filter((result) => result.kind === 'decided' && !result.replay)).toHaveLength(1);
    expect(store.records.size).toBe(1);
  });

  it('counts 24 payments of one customer at one moment from 1 to 24', async () => {
    const occurredAt = new Date(Date.now() - 1000).toISOString();
    await Promise.all(Array.from({ length: 24 }, (_, i) => decide(bytes({ paymentId: `m-${i}`, occurredAt }))));
    const counts = Array.from({ length: 24 }, (_, i) => feature(`m-${i}`, 'customer.count.1h'));
    expect(counts).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
  });

  it('answers 503 and leaves no trace where the decision cannot be made durable', async () => {
    store.beforeRecord = () => Promise.reject(new Error('disk full'));
    expect(await decide(bytes())).toMatchObject({ kind: 'unavailable', code: 'not_recorded' });
    store.beforeRecord = () => Promise.resolve();
    expect(failures).toContain('record');
    await decide(bytes({ paymentId: 'p-2' }));
    expect(feature('p-2', 'customer.count.1h')).toBe(1);
  });

  it('answers 503 for a payment whose deadline passed before it was written, and counts it nowhere', async () => {
    store.expire.add('p-1');
    expect(await decide(bytes())).toMatchObject({ kind: 'unavailable', code: 'deadline_exceeded' });
    await decide(bytes({ paymentId: 'p-2' }));
    expect(feature('p-2', 'customer.count.1h')).toBe(1);
  });

  it('goes on without velocity, names it, and leaves the features missing', async () => {
    pipeline = makePipeline({
      appendAndRead: () => Promise.reject(new Error('away')),
      retract: () => {},
      markLabel: () => Promise.resolve(),
    });
    const result = await decide(bytes());
    expect(decisionOf(result).degraded).toEqual(['velocity:unavailable']);
    expect(feature('p-1', 'customer.count.1h')).toBeNaN();
    expect(failures).toEqual(['velocity']);
  });

  it('refuses what is not a payment with every bad field named', async () => {
    const result = await decide(bytes({ amountMinor: -1, currency: 'EURO' }));
    expect(result.kind === 'refused' && result.refusal.fields.map((field) => field.pointer).sort()).toEqual([
      '/amountMinor',
      '/currency',
    ]);
  });

  it('answers who joins a payment in flight by his own deadline', async () => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    store.beforeRecord = () => held;
    const first = decide(bytes());
    const late = await decide(bytes(), 20);
    expect(late).toMatchObject({ kind: 'unavailable', code: 'deadline_exceeded' });
    letGo();
    expect(await first).toMatchObject({ kind: 'decided' });
  });

  it('tells of a conflict only with what is decided, not with another payment that is in conflict itself', async () => {
    const [decided, rival] = [bytes(), bytes({ amountMinor: 1 })];
    await decide(decided);
    await expect.poll(() => pipeline.inFlight).toBe(0);
    const answers = await Promise.all([decide(rival), decide(decided)]);
    expect(answers[0]).toMatchObject({ kind: 'conflict' });
    expect(answers[1].kind).not.toBe('conflict');
    expect(await decide(decided)).toMatchObject({ kind: 'decided', replay: true });
  });

  it('answers everything in flight when it closes, and takes nothing afterwards', async () => {
    const gate = Promise.withResolvers<undefined>();
    store.beforeRecord = () => gate.promise;
    const pending = decide(bytes());
    const closed = pipeline.close();
    expect(await decide(bytes({ paymentId: 'p-2' }))).toMatchObject({ kind: 'unavailable', code: 'shutting_down' });
    gate.resolve(undefined);
    await closed;
    expect((await pending).kind).toBe('decided');
  });

  it('decides a duplicate inside one stream batch once, and commits with the decisions', async () => {
    const body = bytes();
    const make = (): Item => {
      const payment = pipeline.decode(body);
      if (!(payment instanceof Payment)) throw new Error('must decode');
      return new Item(tenant, payment, body, performance.now(), Number.POSITIVE_INFINITY);
    };
    const commit = { group: 'g', topic: 'holdfast.payments.v1', partition: 0, nextOffset: 2 } as const;
    const results = await pipeline.decideStreamBatch(
      tenant,
      [make(), make()],
      [commit],
      () => Promise.resolve(),
      () => {},
    );
    expect(results.map((result) => result.kind === 'decided' && result.replay)).toEqual([false, true]);
    expect(store.commits).toEqual([commit]);
  });
});
