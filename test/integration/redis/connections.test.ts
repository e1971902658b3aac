/** Guarantee: the adapters work the same over TLS, with a user and a password, and on a Redis Cluster. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { connectRedis, type RedisConnectionOptions } from '../../../src/adapters/redis/connection.ts';
import { RedisDecisionCache } from '../../../src/adapters/redis/decisionCache.ts';
import type { RedisUnavailable } from '../../../src/adapters/redis/errors.ts';
import { RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { recordOf } from '../../conformance/records.ts';
import { patientMs } from '../../helpers/redisStores.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';

const needed = requires('redis');
const run = promisify(execFile);
const program = compileFeatures({
  version: 1,
  features: [
    { entity: 'customer', aggregate: 'count', windows: ['1h'] },
    { entity: 'terminal', aggregate: 'count', windows: ['1h'] },
  ],
});

/** Counts 300 payments of as many customers at one terminal, labels one, claims and finds all of them. */
async function exercise(
  options: Partial<RedisConnectionOptions> & { readonly urls: readonly string[] },
): Promise<void> {
  const connection = connectRedis({ cluster: false, commandTimeoutMs: patientMs, ...options });
  const velocity = new RedisVelocityStore({ program, connection });
  try {
    expect(await connection.whenReady(patientMs)).toBe(true);
    const payments = Array.from({ length: 300 }, (_, i) =>
      Object.assign(new Payment(), {
        currency: 'EUR',
        paymentId: `p${i}`,
        occurredAtMs: Date.UTC(2026, 0, 5),
        customerId: `c${i}`,
        terminalId: 't',
      }),
    );
    const out = createFeatureMatrix(program.names.length, payments.length);
    await velocity.appendAndRead('default', payments, out, 1);
    expect(payments.map((_, row) => [out.values[2 * row], out.values[2 * row + 1]])).toEqual(
      payments.map((_, row) => [1, row + 1]),
    );
    await velocity.appendAndRead('default', payments, out, 2);
    expect(out.values[599]).toBe(300);
    const cache = new RedisDecisionCache({ connection });
    const records = payments.map(({ paymentId }) => recordOf(paymentId));
    const write = records.map(() => true);
    expect((await cache.claim(records, write)).every((claim) => claim?.won === true)).toBe(true);
    await cache.markPublished(records);
    const ids = records.map(({ paymentId }) => paymentId);
    expect((await cache.lookup('default', ids)).every((claim) => claim?.published === true)).toBe(true);
    const label = { paymentId: 'p1', label: 'fraud', source: 'analyst', labelledAtMs: 1 } as const;
    expect(await cache.recordLabels('default', [label, label])).toEqual([true, false]);
  } finally {
    await velocity.close();
    await connection.close();
  }
}

async function makeCertificates(dir: string): Promise<{ ca: string; cert: string; key: string }> {
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-days', '2'];
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject]);
  return { ca: cert, cert, key };
}

describe.skipIf(!needed.met)('a connection to Redis', () => {
  async function withServer(server: RedisServer, use: () => Promise<void>): Promise<void> {
    try {
      await use();
    } finally {
      await server.stop();
    }
  }

  test('logs in, and says by name when it may not', async () => {
    const server = await startRedis({ program: needed.path, password: 'open sesame' });
    await withServer(server, async () => {
      await exercise({ urls: [server.url], password: 'open sesame' });
      const errors: RedisUnavailable[] = [];
      const connection = connectRedis({
        urls: [server.url],
        cluster: false,
        password: 'hunter2',
        onError: (error) => errors.push(error),
      });
      await vi.waitFor(() => expect(errors).not.toEqual([]), { timeout: patientMs });
      expect(errors[0]?.message).toBe('Redis: refused (WRONGPASS)');
      await connection.close();
    });
  });

  test('speaks TLS with a certificate that it is told to trust, and with no other', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'holdfast-redis-tls-'));
    try {
      const tls = await makeCertificates(dir);
      const server = await startRedis({ program: needed.path, tls });
      await withServer(server, async () => {
        await exercise({ urls: [server.url], tlsCaFile: tls.ca });
        const errors: string[] = [];
        const connection = connectRedis({
          urls: [server.url],
          cluster: false,
          onError: ({ message }) => errors.push(message),
        });
        await vi.waitFor(() => expect(errors[0]).toContain('SELF_SIGNED'), { timeout: patientMs });
        await connection.close();
      });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  test('of a cluster sends each virtual shard to its node', async () => {
    const args = ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'];
    const nodes = await Promise.all([1, 2].map(() => startRedis({ program: needed.path, args })));
    try {
      const [first, second] = nodes as [RedisServer, RedisServer];
      const cli = async (server: RedisServer, command: string, ...more: string[]): Promise<string> => {
        const connection = connectRedis({ urls: [server.url], cluster: false, commandTimeoutMs: patientMs });
        await connection.whenReady(patientMs);
        const reply = String(await connection.call(command, more));
        await connection.close();
        return reply;
      };
      await cli(first, 'CLUSTER', 'ADDSLOTSRANGE', '0', '8191');
      await cli(second, 'CLUSTER', 'ADDSLOTSRANGE', '8192', '16383');
      await cli(first, 'CLUSTER', 'SET-CONFIG-EPOCH', '1');
      await cli(first, 'CLUSTER', 'MEET', '127.0.0.1', String(second.port));
      await vi.waitFor(
        async () => {
          for (const node of nodes) expect(await cli(node, 'CLUSTER', 'INFO')).toContain('cluster_state:ok');
          expect(await cli(first, 'CLUSTER', 'SLOTS')).toContain(String(second.port));
          expect(await cli(second, 'CLUSTER', 'SLOTS')).toContain(String(first.port));
        },
        { timeout: 30_000, interval: 100 },
      );
      await exercise({ urls: [first.url], cluster: true });
      expect(Number(await cli(first, 'DBSIZE'))).toBeGreaterThan(100);
      expect(Number(await cli(second, 'DBSIZE'))).toBeGreaterThan(100);
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
    }
  });
});
