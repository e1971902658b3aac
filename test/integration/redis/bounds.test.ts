/** Guarantee: an entity's bytes stay within its ring, what no window needs goes, and what is not used any more expires. */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import type { FeatureProgram } from '../../../src/features/types.ts';
import { connected, emptyRedis, redisVelocity, type RedisVelocityUnderTest } from '../../helpers/redisStores.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';

const needed = requires('redis');
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const startMs = Date.UTC(2026, 0, 5);
/** `13 + 7` bytes a record at the widest, header and envelope, and what Redis adds. */
const recordBytesMax = 17;
const overheadBytes = 200;
const tailMax = 17;

describe.skipIf(!needed.met)('what an entity costs in Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ program: needed.path });
  });
  afterAll(() => server.stop());
  beforeEach(() => emptyRedis(server.url));

  async function feed(
    under: RedisVelocityUnderTest,
    program: FeatureProgram,
    events: number,
    spacingMs: number,
  ): Promise<number[]> {
    const lengths: number[] = [];
    const out = createFeatureMatrix(program.names.length, 1);
    for (let n = 0; n < events; n++) {
      const occurredAtMs = startMs + n * spacingMs;
      const fields = { currency: 'EUR', customerId: 'c', paymentId: `p${n}`, amountMinor: n, occurredAtMs };
      await under.velocity.appendAndRead('default', [Object.assign(new Payment(), fields)], out, 1);
      lengths.push(Number(await under.connection.call('STRLEN', [await onlyKey(under)])));
    }
    return lengths;
  }

  async function onlyKey({ connection }: RedisVelocityUnderTest): Promise<string> {
    const keys = (await connection.call('KEYS', ['*'])) as Buffer[];
    expect(keys).toHaveLength(1);
    return String(keys[0]);
  }

  const sums = (window: string, ringEventsMax?: number): FeatureProgram =>
    compileFeatures({
      version: 1,
      ...(ringEventsMax === undefined ? {} : { ringEventsMax }),
      features: [{ entity: 'customer', aggregate: 'sum', field: 'amountMinor', windows: [window] }],
    });

  test('is bounded by its windows: what is older goes when the tail is put into the state', async () => {
    const program = sums('7d');
    const under = await redisVelocity(server.url, program);
    // Eight days of eight a day are needed at any time; a tail and a seventh of expired records may come on top.
    const lengths = await feed(under, program, 400, 3 * hourMs);
    const needed = 8 * 8 * recordBytesMax;
    expect(Math.max(...lengths)).toBeLessThan(needed * (8 / 7) + tailMax * recordBytesMax + overheadBytes);
    await under.dispose();
  });

  test('is bounded by its ring where a window holds more: the rest is in buckets', async () => {
    const program = sums('30d', 32);
    const under = await redisVelocity(server.url, program);
    const lengths = await feed(under, program, 500, 60_000);
    const buckets = 12 * 80;
    expect(Math.max(...lengths)).toBeLessThan((32 + tailMax) * recordBytesMax + buckets + overheadBytes);
    await under.dispose();
  });

  test('ends when no window can reach it any more; one with features for life lives for the time that is set', async () => {
    const program = sums('7d');
    const under = await redisVelocity(server.url, program);
    await feed(under, program, 20, hourMs);
    const ttlMs = Number(await under.connection.call('PTTL', [await onlyKey(under)]));
    expect(ttlMs).toBeGreaterThan(8 * dayMs);
    expect(ttlMs).toBeLessThanOrEqual(9 * dayMs);
    await under.dispose();
    await emptyRedis(server.url);
    const forLife = compileFeatures({ version: 1, features: [{ entity: 'customer', aggregate: 'isFirst' }] });
    const lasting = await redisVelocity(server.url, forLife, { lifetimeMs: 100 * dayMs });
    await feed(lasting, forLife, 1, hourMs);
    expect(Number(await lasting.connection.call('PTTL', [await onlyKey(lasting)]))).toBeGreaterThan(99 * dayMs);
    await lasting.dispose();
  });

  test('its expiry is put off by everyone who has not done so of late, and by those who use it every day', async () => {
    const program = sums('7d');
    const under = await redisVelocity(server.url, program);
    await feed(under, program, 1, hourMs);
    const key = await onlyKey(under);
    await under.connection.call('EXPIRE', [key, 1000]);
    const other = await redisVelocity(server.url, program);
    await feed(other, program, 2, hourMs);
    expect(Number(await under.connection.call('PTTL', [key]))).toBeGreaterThan(8 * dayMs);
    await other.dispose();
    await under.connection.call('EXPIRE', [key, 1000]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * dayMs });
    await feed(under, program, 3, hourMs);
    vi.useRealTimers();
    expect(Number(await under.connection.call('PTTL', [key]))).toBeGreaterThan(8 * dayMs);
    await under.dispose();
  });

  test('bytes that are no entity of ours are refused by name, and hold nothing else up', async () => {
    const program = sums('7d');
    const under = await redisVelocity(server.url, program);
    await feed(under, program, 1, hourMs);
    const other = await connected(server.url);
    await other.call('SET', [await onlyKey(under), 'something else altogether, of no meaning at all']);
    const out = createFeatureMatrix(program.names.length, 1);
    const paid = (customerId: string): Payment =>
      Object.assign(new Payment(), { currency: 'EUR', customerId, paymentId: `x${customerId}`, occurredAtMs: startMs });
    await expect(under.velocity.appendAndRead('default', [paid('c')], out, 1)).rejects.toMatchObject({
      failure: 'damaged',
    });
    await vi.waitFor(() => expect(under.velocity.state()).toMatchObject({ backlog: 0, dropped: 1 }));
    await under.velocity.appendAndRead('default', [paid('d')], out, 1);
    await other.close();
    await under.dispose();
  });

  test('copies in this process are bounded too', async () => {
    const program = sums('7d');
    const under = await redisVelocity(server.url, program, { copiesBytesMax: 50_000 });
    const out = createFeatureMatrix(program.names.length, 100);
    for (let batch = 0; batch < 10; batch++) {
      const payments = Array.from({ length: 100 }, (_, i) => {
        const id = `p${batch}-${i}`;
        return Object.assign(new Payment(), { currency: 'EUR', customerId: id, paymentId: id, occurredAtMs: startMs });
      });
      await under.velocity.appendAndRead('default', payments, out, 1);
      expect(under.velocity.state().copiesBytes).toBeLessThanOrEqual(50_000);
    }
    await under.dispose();
  });
});
