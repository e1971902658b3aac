/**
 * Guarantee: with Redis frozen, gone or refusing, payments are decided inside their deadline and say what was missing; when
 * it is back every payment is counted once, and each has one decision in the topic and one claim.
 */
import { resolve } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectRedis, type RedisConnection } from '../../../src/adapters/redis/connection.ts';
import { RedisDecisionCache } from '../../../src/adapters/redis/decisionCache.ts';
import { RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import { ClaimedStore } from '../../../src/pipeline/claimedStore.ts';
import { systemClock } from '../../../src/pipeline/clock.ts';
import { decodeRecord } from '../../../src/pipeline/codec.ts';
import { createDecisionService } from '../../../src/pipeline/decisionService.ts';
import { createPipelineMetrics } from '../../../src/pipeline/metrics.ts';
import { Pipeline } from '../../../src/pipeline/pipeline.ts';
import { topics as topicNames } from '../../../src/pipeline/ports.ts';
import { DecisionsUnavailable } from '../../../src/pipeline/storeErrors.ts';
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import { compileRelease } from '../../../src/releases/compile.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';
import { MemoryTopics } from '../../helpers/memoryTopics.ts';
import { readAll } from '../../helpers/messages.ts';
import { claimedOptions } from '../../helpers/redisStores.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';

const needed = requires('redis');
/** Long for a deadline, since the machine is shared; far shorter than what a frozen server lasts. */
const deadlineMs = 2000;
const waitMs = 20_000;
const features = ['customer.count.24h', 'terminal.count.24h'] as const;
const settled = { unclaimed: 0, dropped: 0, conflicts: 0 };

describe.skipIf(!needed.met)('the pipeline over a Redis in trouble', { timeout: 60_000 }, () => {
  let release: CompiledRelease;
  let server: RedisServer;
  let connection: RedisConnection;
  let velocity: RedisVelocityStore;
  let topics: MemoryTopics;
  let store: ClaimedStore;
  let pipeline: Pipeline;
  let made = 0;
  const startMs = Date.now() - 60_000;

  beforeAll(async () => {
    release = await compileRelease(await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default')));
  });
  beforeEach(async () => {
    made = 0;
    server = await startRedis({ program: needed.path });
    connection = connectRedis({ urls: [server.url], cluster: false });
    expect(await connection.whenReady(waitMs)).toBe(true);
    velocity = new RedisVelocityStore({ program: release.features, connection });
    topics = new MemoryTopics();
    const { waitedForMs: _patient, ...options } = claimedOptions(topics);
    store = new ClaimedStore({ cache: new RedisDecisionCache({ connection }), ...options });
    pipeline = new Pipeline({
      release,
      store,
      velocity,
      pool: undefined,
      clock: systemClock,
      metrics: createPipelineMetrics(new Registry()),
      onStageFailure: () => {},
    });
  });
  afterEach(async () => {
    await pipeline.close();
    await store.close();
    await velocity.close();
    await connection.close();
    await server.stop();
  });

  /** Decides one new payment of the same customer at the same terminal, with its features as recorded. */
  async function decide(): Promise<{ decision: Decision; counts: (number | undefined)[] }> {
    const paymentId = `p${++made}`;
    const payment = { paymentId, amountMinor: 1000, currency: 'EUR', customerId: 'c', terminalId: 't' };
    const body = Buffer.from(JSON.stringify({ ...payment, occurredAt: new Date(startMs + made).toISOString() }));
    const fromMs = performance.now();
    const result = await pipeline.decide('default', body, fromMs, fromMs + deadlineMs);
    expect(performance.now() - fromMs).toBeLessThan(deadlineMs + 500);
    if (result.kind !== 'decided') throw new Error(`not decided: ${JSON.stringify(result)}`);
    const record = (await decided()).find((each) => each.paymentId === paymentId);
    const counts = features.map((name) => record?.features[release.features.names.indexOf(name)]);
    return { decision: JSON.parse(Buffer.from(result.decision).toString()) as Decision, counts };
  }

  async function decided(): Promise<ReturnType<typeof decodeRecord>[]> {
    return (await readAll(topics, topicNames.decisions)).map(({ value }) => decodeRecord(value));
  }

  /** Decides until velocity is back in the decisions; answers what the first of those counted. */
  async function whole(): Promise<(number | undefined)[]> {
    return vi.waitFor(
      async () => {
        const { decision, counts } = await decide();
        expect(decision.degraded).toEqual([]);
        return counts;
      },
      { timeout: waitMs, interval: 50 },
    );
  }

  async function expectOneDecisionEach(): Promise<void> {
    // The cache hears of what it missed with the next payments.
    await vi.waitFor(
      async () => {
        await decide();
        await store.close();
        expect(store.state()).toMatchObject(settled);
      },
      { timeout: waitMs, interval: 100 },
    );
    const ids = Array.from({ length: made }, (_, i) => `p${i + 1}`);
    expect((await decided()).map(({ paymentId }) => paymentId).sort()).toEqual([...ids].sort());
    const claims = await new RedisDecisionCache({ connection }).lookup('default', ids);
    expect(claims.map((claim) => claim?.record.paymentId)).toEqual(ids);
  }

  test('frozen: decided in time and named, counted once when it goes on', async () => {
    expect(await whole()).toEqual([made, made]);
    server.freeze();
    for (let n = 0; n < 8; n++) expect((await decide()).decision.degraded).toContain('velocity:unavailable');
    server.thaw();
    expect(await whole()).toEqual([made, made]);
    await expectOneDecisionEach();
  });

  test('gone and back: the same, from the first payment without it to the first with it', async () => {
    await whole();
    const before = made;
    await server.halt();
    for (let n = 0; n < 8; n++) expect((await decide()).decision.degraded).toContain('velocity:unavailable');
    await server.start();
    // What it knew is gone with it: only what it missed is counted, and what came since.
    expect(await whole()).toEqual([made - before, made - before]);
    expect(new Set((await decided()).map(({ paymentId }) => paymentId)).size).toBe(made);
  });

  test('out of memory: a refused write is a named degradation, never an unnamed one', async () => {
    await whole();
    await connection.call('CONFIG', ['SET', 'maxmemory', '1mb']);
    for (let n = 0; n < 8; n++) expect((await decide()).decision.degraded).toContain('velocity:unavailable');
    expect(velocity.state().lastError).toBe('Redis: refused (OOM)');
    await connection.call('CONFIG', ['SET', 'maxmemory', '0']);
    expect(await whole()).toEqual([made, made]);
    await expectOneDecisionEach();
  });

  test('away, it takes no label, and says so; the same label counts when it is back', async () => {
    await whole();
    const service = createDecisionService({
      pipeline,
      store,
      velocity,
      releaseOf: () => Promise.resolve(release),
      dependencies: () => [],
      onFailure: () => {},
    });
    const label = { paymentId: 'p1', label: 'fraud', source: 'chargeback', labelledAtMs: startMs } as const;
    server.freeze();
    expect(await service.label('default', [label])).toEqual(['unavailable']);
    // Whether another process has decided a payment is not known now, which is not "there is none".
    const elsewhere = { ...label, paymentId: 'elsewhere' };
    expect(await service.label('default', [elsewhere])).toEqual(['unavailable']);
    await expect(service.get('default', 'elsewhere')).rejects.toThrow(DecisionsUnavailable);
    server.thaw();
    await vi.waitFor(async () => expect(await service.label('default', [elsewhere])).toEqual(['unknown']), {
      timeout: waitMs,
    });
    expect(await service.get('default', 'elsewhere')).toBeUndefined();
    await vi.waitFor(async () => expect(await service.label('default', [label])).toEqual(['recorded']), {
      timeout: waitMs,
    });
    expect(await service.label('default', [label])).toEqual(['already']);
    await whole();
    const rate = (await decided()).at(-1)?.features[release.features.names.indexOf('terminal.fraudRate.7d')];
    expect(rate).toBeCloseTo(1 / made, 12);
  });
});
