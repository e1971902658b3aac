/** Guarantee: a claim whose reply is lost is still the caller's own, lives as long as it is told, and outlives being published. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectRedis, type RedisConnection } from '../../../src/adapters/redis/connection.ts';
import { RedisDecisionCache } from '../../../src/adapters/redis/decisionCache.ts';
import { plain, recordOf } from '../../conformance/records.ts';
import { connected } from '../../helpers/redisStores.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../helpers/tcpProxy.ts';

const needed = requires('redis');
const commandTimeoutMs = 150;
const readyMs = 5000;

describe.skipIf(!needed.met)('claims in Redis', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let connection: RedisConnection;
  let direct: RedisConnection;
  let cache: RedisDecisionCache;
  /** On a busy machine even a healthy Redis may be too slow once; the same call again has the same outcome. */
  const sure = <T>(work: () => Promise<T>): Promise<T> => vi.waitFor(work, { timeout: readyMs, interval: 20 });
  beforeEach(async () => {
    server = await startRedis({ program: needed.path });
    proxy = await startTcpProxy(server.port);
    direct = await connected(server.url);
    connection = connectRedis({ urls: [`redis://127.0.0.1:${proxy.port}`], cluster: false, commandTimeoutMs });
    expect(await connection.whenReady(readyMs)).toBe(true);
    cache = new RedisDecisionCache({ connection, ttlMs: 100_000, labelTtlMs: 200_000 });
  });
  const patient = (): RedisDecisionCache =>
    new RedisDecisionCache({ connection: direct, ttlMs: 100_000, labelTtlMs: 200_000 });
  afterEach(async () => {
    await connection.close();
    await direct.close();
    await proxy.close();
    await server.stop();
  });

  test('whose reply is lost are won when they are made again, and by nobody else', async () => {
    const records = Array.from({ length: 40 }, (_, i) => recordOf(`p${i}`));
    const write = records.map(() => true);
    // From here on Redis knows the script: what is sent is done, whether or not anyone hears of it.
    await sure(() => cache.claim([recordOf('before')], [true]));
    proxy.dropReplies();
    await expect(cache.claim(records, write)).rejects.toMatchObject({ name: 'RedisUnavailable', failure: 'timeout' });
    proxy.passReplies();
    proxy.cutAll();
    expect(await connection.whenReady(readyMs)).toBe(true);
    const again = await sure(() => cache.claim(records, write));
    expect(again.map((claim) => [claim?.won, claim?.published])).toEqual(records.map(() => [true, false]));
    const others = await new RedisDecisionCache({ connection: direct }).claim(
      records.map(({ paymentId }) => recordOf(paymentId, { variant: '-other' })),
      write,
    );
    expect(others.map((claim) => claim?.won)).toEqual(records.map(() => false));
    expect(others.map((claim) => plain(claim?.record))).toEqual(records.map(plain));
  });

  test('labels whose reply is lost are there once', async () => {
    const label = { paymentId: 'a', label: 'fraud', source: 'chargeback', labelledAtMs: 5 } as const;
    await sure(() => cache.recordLabels('default', [{ ...label, paymentId: 'before' }]));
    proxy.dropReplies();
    await expect(cache.recordLabels('default', [label])).rejects.toMatchObject({ failure: 'timeout' });
    proxy.passReplies();
    proxy.cutAll();
    expect(await connection.whenReady(readyMs)).toBe(true);
    expect(await sure(() => cache.recordLabels('default', [label]))).toEqual([false]);
    expect(await sure(() => cache.labelsOf('default', 'a'))).toEqual([label]);
  });

  test('live for the time that is set, published or not, and labels for theirs', async () => {
    const record = recordOf('a');
    const cache = patient();
    await cache.claim([record], [true]);
    const label = { paymentId: 'a', label: 'fraud', source: 'analyst', labelledAtMs: 1 } as const;
    await cache.recordLabels('default', [label]);
    await cache.markPublished([record, recordOf('never claimed')]);
    const keys = ((await direct.call('KEYS', ['*'])) as Buffer[]).map(String).sort();
    expect(keys.map((key) => key[0])).toEqual(['d', 'l']);
    const ttls = await Promise.all(keys.map(async (key) => Number(await direct.call('TTL', [key]))));
    expect(ttls[0]).toBeGreaterThan(90);
    expect(ttls[0]).toBeLessThanOrEqual(100);
    expect(ttls[1]).toBeGreaterThan(190);
    const [claim] = await cache.lookup('default', ['a']);
    expect(claim?.published).toBe(true);
    expect(plain(claim?.record)).toEqual(plain(record));
  });

  test('of bytes that are no decision stand in nobody’s way', async () => {
    const cache = patient();
    await cache.claim([recordOf('a'), recordOf('b')], [true, true]);
    const [key] = (await direct.call('KEYS', ['d:*:a'])) as Buffer[];
    await direct.call('SET', [key as Buffer, '1nonsense']);
    const found = await cache.lookup('default', ['a', 'b']);
    expect(found.map((claim) => claim?.record.paymentId)).toEqual([undefined, 'b']);
    const other = recordOf('a', { variant: '-other' });
    const [claim, unwritten] = await cache.claim([other, recordOf('a')], [true, false]);
    expect([claim?.won, claim?.record, unwritten]).toEqual([true, other, undefined]);
  });
});
