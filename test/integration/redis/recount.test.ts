// Guarantee: a Redis that came back empty counts, after a recount from the topics, what it would have counted had it never been away:
// every feature of the next payments is what a store in memory says that was there all the time. A second recount, beside new
// payments too, changes nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { connectRedis, type RedisConnection } from '../../../src/adapters/redis/connection.ts';
import { RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { encodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { recount } from '../../../src/pipeline/recount.ts';
import { Random } from '../../../src/simulator/random.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import type { KafkaUnderTest } from '../../helpers/kafkaLog.ts';
import { makeKafkaLog } from '../../helpers/kafkaLog.ts';
import { patientMs } from '../../helpers/redisStores.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';

const seed = testSeed();
const payments = 600;
const startMs = Date.UTC(2026, 9, 1);
const stepMs = 600_000;

const program = compileFeatures({
  version: 1,
  ringEventsMax: 32,
  features: [
    { entity: 'customer', aggregate: 'count', windows: ['1h', '24h', '30d'] },
    { entity: 'customer', aggregate: 'sum', field: 'amountMinor', windows: ['24h'] },
    { entity: 'customer', aggregate: 'sinceFirst' },
    { entity: 'terminal', aggregate: 'fraudRate', windows: ['7d'] },
    { entity: 'terminal', aggregate: 'distinct', field: 'customer', windows: ['24h'] },
  ],
});

const decoder = createPaymentDecoder();
function paid(n: number, random: Random): { readonly bytes: Buffer; readonly payment: Payment } {
  const bytes = Buffer.from(
    JSON.stringify({
      paymentId: `p-${n}`,
      occurredAt: new Date(startMs + n * stepMs).toISOString(),
      amountMinor: random.below(100_000),
      currency: 'EUR',
      customerId: `c-${random.below(12)}`,
      terminalId: `t-${random.below(4)}`,
    }),
  );
  const payment = decoder.decode(bytes, Number.POSITIVE_INFINITY);
  if (!(payment instanceof Payment)) throw new Error('a payment');
  return { bytes, payment };
}

describe.skipIf(!requires('redis').met || !requires('kafka').met)('recount', { timeout: 60_000 }, () => {
  let kafka: KafkaUnderTest;
  let redis: RedisServer;
  let connection: RedisConnection;
  beforeAll(async () => {
    [kafka, redis] = await Promise.all([makeKafkaLog(), startRedis()]);
    connection = connectRedis({ urls: [redis.url], cluster: false, commandTimeoutMs: patientMs });
    expect(await connection.whenReady(patientMs)).toBe(true);
  }, 120_000);
  afterAll(async () => {
    await Promise.all([connection.close(), kafka.dispose()]);
    await redis.stop();
  });

  test(`an empty Redis counts again what was decided (seed ${seed})`, async () => {
    const random = new Random(seed);
    const history = Array.from({ length: payments }, (_, n) => paid(n, random));
    const memory = createVelocityMemory(program, {});
    memory.appendAndRead(
      'default',
      history.map(({ payment }) => payment),
      createFeatureMatrix(program.names.length, payments),
      1,
    );
    const names = program.names;
    const zeros = new Float64Array(names.length);
    const messages = history.map(({ bytes, payment }) => ({
      key: payment.paymentId,
      value: encodeDecisionMessage(
        {
          tenantId: 'default',
          paymentId: payment.paymentId,
          releaseId: '0'.repeat(64),
          occurredAtMs: payment.occurredAtMs,
          decision: Buffer.from(
            JSON.stringify({
              tenantId: 'default',
              paymentId: payment.paymentId,
              releaseId: '0'.repeat(64),
              occurredAt: new Date(payment.occurredAtMs).toISOString(),
            }),
          ),
          payment: bytes,
          features: zeros,
          bounds: zeros,
        },
        names,
      ),
    }));
    // Some are there twice, and one is nothing.
    const again = messages.filter(() => random.below(10) === 0);
    await kafka.log.append(topics.decisions, [...messages, ...again, { key: 'x', value: Buffer.from('{}') }]);
    const labelled = history.filter(() => random.below(5) === 0);
    for (const [i, { payment }] of labelled.entries()) {
      const fraud = i % 3 !== 0;
      // Called fraud first; whoever looked again said otherwise of every third.
      for (const label of fraud ? ['fraud'] : ['fraud', 'legitimate']) {
        const labelledAt = new Date(payment.occurredAtMs + stepMs).toISOString();
        const value = Buffer.from(
          JSON.stringify({ paymentId: payment.paymentId, label, source: 'analyst', labelledAt }),
        );
        await kafka.log.append(topics.labels, [{ key: payment.paymentId, value }]);
      }
      memory.markLabel('default', { payment, fraud }, 1);
    }

    const velocity = new RedisVelocityStore({ program, connection });
    const options = { log: kafka.log, velocity, program, sinceMs: 0, onProgress: () => {} };
    const done = await recount(options);
    expect(done).toEqual({
      decisions: payments + again.length + 1,
      payments: expect.any(Number) as number,
      labels: expect.any(Number) as number,
      unreadable: 1,
    });

    async function expectEqual(from: number): Promise<void> {
      const probes = Array.from({ length: 40 }, (_, n) => paid(from + n, random).payment);
      const [ours, theirs] = [createFeatureMatrix(names.length, 40), createFeatureMatrix(names.length, 40)];
      await velocity.appendAndRead('default', probes, ours, 1);
      memory.appendAndRead('default', probes, theirs, 1);
      const exact = [...theirs.bounds.keys()].filter((i) => theirs.bounds[i] === 0 && ours.bounds[i] === 0);
      // What was folded depends on the order of arrival, and says its bound.
      expect(exact.length).toBeGreaterThan(theirs.bounds.length / 2);
      for (const i of exact) expect(ours.values[i], names[i % names.length]).toEqual(theirs.values[i]);
    }
    await expectEqual(payments);
    await recount(options);
    await expectEqual(payments + 40);
    await velocity.close();
  });
});
