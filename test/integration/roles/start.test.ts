// Guarantee: a role starts with its engines away or refusing, and says what is missing; and what cannot start ends, with a
// sentence, and leaves nothing open that would keep it from ending or the next start from beginning.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openDecider } from '../../../src/cli/roles/decider.ts';
import { loadEnvironment } from '../../../src/config/env.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';
import { holdfast } from '../../helpers/cli.ts';
import { requires } from '../../helpers/requirements.ts';
import { endRoles, roleKey, type RoleProcess, startRole } from '../../helpers/roles.ts';
import { waitFor } from '../../helpers/server.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';

const needed = requires('redis');
/** A port that nothing listens on. */
const nobody = '127.0.0.1:9';

describe.skipIf(!needed.met)('a role', () => {
  let redis: RedisServer;
  const roles: RoleProcess[] = [];
  const directories: string[] = [];
  const directoryOf = (): string => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-start-'));
    directories.push(directory);
    return directory;
  };

  beforeAll(async () => {
    // Less than it needs for itself: it answers, and refuses every write.
    redis = await startRedis({ program: needed.path, args: ['--maxmemory', '100kb'] });
  });
  afterEach(() => endRoles(roles.splice(0)));
  afterAll(async () => {
    await redis.stop();
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });

  it('serves while Redis refuses to write and Kafka is away: decisions are durable on its disk, and say what was missing', async () => {
    const serve = await startRole('serve', { KAFKA_BROKERS: nobody, REDIS_URL: redis.url });
    roles.push(serve);
    const occurredAt = new Date().toISOString();
    const payment = { paymentId: 'p', occurredAt, amountMinor: 100, currency: 'EUR', customerId: 'c' };
    const response = await fetch(`${serve.url}/v1/decisions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${roleKey}`,
        'content-type': 'application/json',
        'holdfast-deadline-ms': '5000',
      },
      body: JSON.stringify(payment),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ paymentId: 'p', degraded: ['velocity:unavailable'] });
    const states = await waitFor('both engines to be named', async () => {
      const { dependencies } = (await (await fetch(`${serve.url}/readyz`)).json()) as {
        dependencies: { name: string; state: string }[];
      };
      const named = dependencies.filter(({ state }) => state !== 'up').map(({ name }) => name);
      return named.includes('kafka') && named.includes('redis') ? named : undefined;
    });
    expect(states).toContain('redis');
    serve.process.kill('SIGTERM');
    expect(await serve.exited).toBe(0);
  });

  it('that cannot open its spool is closed again whole: the next start has its directory', async () => {
    const dataDir = directoryOf();
    mkdirSync(join(dataDir, 'spool.db'));
    const variables = { HOLDFAST_DATA_DIR: dataDir, KAFKA_BROKERS: nobody, REDIS_URL: redis.url };
    const options = {
      environment: { ...loadEnvironment(variables), dataDir } as Parameters<typeof openDecider>[0]['environment'],
      bundle: await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default')),
      logger: pino({ level: 'silent' }),
      redisMs: 500,
      spoolAfterMs: 10,
    };
    await expect(openDecider(options)).rejects.toThrow();
    rmSync(join(dataDir, 'spool.db'), { recursive: true });
    const decider = await openDecider(options);
    expect(decider.spool.state().spooling).toBe(false);
    await decider.close();
  });

  it('whose port is taken ends with a sentence, whatever it has opened until then', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const environment = {
      KAFKA_BROKERS: nobody,
      REDIS_URL: redis.url,
      CLICKHOUSE_URL: `http://${nobody}`,
      HOLDFAST_PORT: String(typeof address === 'object' ? address?.port : 0),
      HOLDFAST_LOG_LEVEL: 'fatal',
    };
    const started = (['serve', 'stream', 'sink'] as const).map((role) =>
      holdfast([role], { ...environment, HOLDFAST_DATA_DIR: directoryOf() }),
    );
    for (const { code, stderr } of await Promise.all(started)) {
      expect(stderr).toContain('The port is in use');
      expect(code).toBe(2);
    }
    taken.close();
  }, 90_000);
});
