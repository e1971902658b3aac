/** The roles as processes over real engines, with a proxy before Kafka and one before Redis. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KafkaServer, startKafka } from '../../../scripts/services/kafka.ts';
import { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import { createClient } from '../../../src/adapters/kafka/client.ts';
import { streamGroup } from '../../../src/pipeline/stream.ts';
import { type ClickHouseFront, startClickHouseFront } from '../clickhouseFront.ts';
import { KafkaProxy } from '../kafkaProxy.ts';
import { requires } from '../requirements.ts';
import { endRoles, type RoleName, type RoleProcess, startRole } from '../roles.ts';
import { type RedisServer, startRedis } from '../services/redis.ts';
import { waitFor } from '../server.ts';
import { startTcpProxy, type TcpProxy } from '../tcpProxy.ts';
import { DecisionsTail } from './tail.ts';

const steppedClock = new URL('steppedClock.ts', import.meta.url).href;

/** The roles and what they run over; of Kafka only the test's way to it. */
export interface RolesWorld {
  readonly redis: RedisServer;
  readonly redisProxy: TcpProxy;
  readonly front: ClickHouseFront;
  /** The test's own way to Kafka, past the proxy. */
  readonly log: KafkaEventLog;
  readonly tail: DecisionsTail;
  /** Those that are to be running. */
  readonly roles: readonly RoleProcess[];
  of(role: RoleName): readonly RoleProcess[];
  start(role: RoleName, dataDirectory?: string): Promise<RoleProcess>;
  /** Ends one, and resolves with its exit code. */
  end(role: RoleProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number>;
  /** Sets the wall clock of every role to so many milliseconds from the true one. */
  setClocks(offsetMs: number): void;
  /** Redis begins anew with nothing when it starts next. Only while it is halted. */
  forgetRedis(): void;
  close(): Promise<void>;
}

export interface World extends RolesWorld {
  readonly kafka: KafkaServer;
  readonly kafkaProxy: KafkaProxy;
}

/** Where Kafka is. */
export interface KafkaSide {
  /** What tells the roles. */
  readonly environment: Readonly<Record<string, string>>;
  readonly brokers: readonly string[];
}

/** One broker, with a proxy before it. */
export async function startWorld(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const kafkaProxy = new KafkaProxy();
  const proxyPort = await kafkaProxy.listen();
  opened.defer(() => kafkaProxy.close());
  const kafka = await startKafka({ proxyPorts: [proxyPort] });
  opened.defer(() => kafka.stop());
  const [target = ''] = kafka.proxied;
  kafkaProxy.target = target;
  const side = { environment: { KAFKA_BROKERS: `127.0.0.1:${proxyPort}` }, brokers: [kafka.brokers] };
  const world = await startRoles(side);
  opened.defer(() => world.close());
  const all = opened.move();
  return { ...world, kafka, kafkaProxy, close: () => all.disposeAsync() };
}

/** A serve, two streams and a sink over this Kafka, with a Redis and a ClickHouse of their own. */
export async function startRoles(kafka: KafkaSide): Promise<RolesWorld> {
  // Closed in the opposite order of how they were opened; also where a later one does not start.
  await using opened = new AsyncDisposableStack();
  const redisDirectory = mkdtempSync(join(tmpdir(), 'holdfast-faults-redis-'));
  opened.defer(() => {
    rmSync(redisDirectory, { recursive: true, force: true });
  });
  const durable = ['--dir', redisDirectory, '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
  const redis = await startRedis({ program: requires('redis').path, args: durable });
  opened.defer(() => redis.stop());
  const front = await startClickHouseFront();
  opened.defer(() => front.close());
  const redisProxy = await startTcpProxy(redis.port);
  opened.defer(() => redisProxy.close());
  const log = new KafkaEventLog({ connection: { brokers: kafka.brokers } });
  opened.defer(() => log.close());
  await log.ping();
  const tail = new DecisionsTail(log);
  opened.defer(() => tail.close());
  const clockFile = join(redisDirectory, 'clock');
  writeFileSync(clockFile, '0');
  const environment = {
    NODE_OPTIONS: `--import=${steppedClock}`,
    TEST_CLOCK_FILE: clockFile,
    ...kafka.environment,
    REDIS_URL: `redis://127.0.0.1:${redisProxy.port}`,
    CLICKHOUSE_URL: front.url,
    CLICKHOUSE_USER: front.login.user,
    CLICKHOUSE_PASSWORD: front.login.password,
  };
  const roles: RoleProcess[] = [];
  const ended: RoleProcess[] = [];
  const start = async (role: RoleName, dataDirectory?: string): Promise<RoleProcess> => {
    const one = await startRole(role, environment, dataDirectory);
    roles.push(one);
    return one;
  };
  opened.defer(() => endRoles([...roles, ...ended]));
  const started = await Promise.allSettled((['serve', 'stream', 'stream', 'sink'] as const).map((role) => start(role)));
  for (const each of started) if (each.status === 'rejected') throw each.reason;
  await untilShared(kafka.brokers);
  const all = opened.move();
  return {
    ...{ redis, redisProxy, front, log, tail, roles, start },
    of: (role) => roles.filter((one) => one.role === role),
    async end(role, signal) {
      roles.splice(roles.indexOf(role), 1);
      ended.push(role);
      role.process.kill(signal);
      return role.exited;
    },
    setClocks(offsetMs) {
      writeFileSync(clockFile, String(offsetMs));
      for (const { process: child } of roles) child.kill('SIGWINCH');
    },
    forgetRedis: () => rmSync(join(redisDirectory, 'appendonlydir'), { recursive: true, force: true }),
    close: () => all.disposeAsync(),
  };
}

/** Both streams have joined: a fault that is to come alone does not come with a rebalance. */
async function untilShared(brokers: readonly string[]): Promise<void> {
  const admin = createClient({ brokers }, () => {}).admin();
  await admin.connect();
  try {
    await waitFor('both streams to share the partitions', async () => {
      const { groups } = await admin.describeGroups([streamGroup]);
      return groups[0]?.state === 'Stable' && groups[0].members.length === 2 ? true : undefined;
    });
  } finally {
    await admin.disconnect();
  }
}
