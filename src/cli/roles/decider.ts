/** What `serve` and `stream` share: the pipeline over Redis and Kafka. */
import { mkdirSync } from 'node:fs';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { KafkaEventLog } from '../../adapters/kafka/eventLog.ts';
import { connectRedis, type RedisConnection } from '../../adapters/redis/connection.ts';
import { RedisDecisionCache } from '../../adapters/redis/decisionCache.ts';
import { RedisReleaseNames } from '../../adapters/redis/releaseNames.ts';
import type { RedisVelocityStore } from '../../adapters/redis/velocity.ts';
import { openServer } from '../../adapters/clickhouse/server.ts';
import { type ClickHouseStore, createClickHouseStore } from '../../adapters/clickhouse/store.ts';
import { awaitDirectory } from '../../adapters/sqlite/lock.ts';
import { openSpoolFile } from '../../adapters/sqlite/spoolFile.ts';
import type { Environment } from '../../config/env.ts';
import { archivedRelease, withArchive } from '../../pipeline/archive.ts';
import { systemClock } from '../../pipeline/clock.ts';
import { encodeDecisionMessage } from '../../pipeline/decisionMessage.ts';
import { createPipelineMetrics, type PipelineMetrics } from '../../pipeline/metrics.ts';
import { type DecisionRecord, topics } from '../../pipeline/ports.ts';
import { Spool } from '../../pipeline/spool.ts';
import type { ReleaseBundle } from '../../releases/bundle.ts';
import type { CompiledRelease } from '../../releases/compile.ts';
import { SharedReleases } from '../../releases/sharedReleases.ts';
import { ReleaseStore } from '../../releases/store.ts';
import { openKafka } from '../openKafka.ts';
import { warmUp } from '../up/warmUp.ts';
import { composeDecider, type ComposedDecider, type DeciderWaits, openSharedVelocity } from './composeDecider.ts';
import { deciderDependencies, registerDeciderGauges } from './deciderState.ts';
import type { RoleEnvironment } from './environment.ts';

/** Longest that a start waits for Redis; without it it goes on, degraded. */
const redisReadyMs = 5_000;

export interface DeciderOptions extends DeciderWaits {
  readonly environment: RoleEnvironment<'kafka' | 'redis'>;
  readonly bundle: ReleaseBundle;
  readonly logger: Logger;
}

export interface Decider extends ComposedDecider {
  readonly log: KafkaEventLog;
  readonly redis: RedisConnection;
  readonly velocity: RedisVelocityStore;
  readonly cache: RedisDecisionCache;
  readonly spool: Spool;
  readonly release: CompiledRelease;
  readonly metrics: PipelineMetrics;
  readonly registry: Registry;
  /** Absent where no ClickHouse is configured. */
  readonly analytics: ClickHouseStore | undefined;
  /** Answers what is in flight, then lets go of everything. */
  close(): Promise<void>;
}

/** Decisions of any release as their topic carries them. */
async function messagesOf(names: RedisReleaseNames, records: readonly DecisionRecord[]) {
  const namesOf = new Map<string, readonly string[]>();
  for (const { releaseId } of records) if (!namesOf.has(releaseId)) namesOf.set(releaseId, await names.of(releaseId));
  return records.map((record) => ({
    key: record.paymentId,
    value: encodeDecisionMessage(record, namesOf.get(record.releaseId) ?? []),
  }));
}

function openAnalytics({ clickhouse, retention }: Environment): ClickHouseStore | undefined {
  if (clickhouse === undefined) return undefined;
  const { client, database } = openServer(clickhouse);
  return createClickHouseStore(client, { database, place: 'server', retention });
}

/** @throws with everything closed again that was opened */
export async function openDecider(options: DeciderOptions): Promise<Decider> {
  const { environment, bundle, logger, redisMs, spoolAfterMs } = options;
  const { dataDir } = environment;
  // Closed in the opposite order of how they were opened.
  await using opened = new AsyncDisposableStack();
  mkdirSync(dataDir, { recursive: true });
  const lock = await awaitDirectory(dataDir);
  opened.defer(() => lock.release());
  const store = new ReleaseStore(dataDir, environment.models);
  const release = await store.add(bundle);
  const analytics = openAnalytics(environment);
  opened.defer(() => analytics?.close());
  const releases = new SharedReleases(store, analytics);
  opened.defer(
    releases.keep(release.id, (error) => logger.warn({ err: error }, 'the release is not kept for others yet')),
  );
  warmUp(release, systemClock.nowMs());
  const log = openKafka(environment.kafka, logger);
  opened.defer(() => log.close());
  const spool = new Spool({
    file: openSpoolFile(dataDir),
    append: (messages) => log.append(topics.decisions, messages),
    onFailure: (error) => logger.warn({ err: error }, 'decisions are spooled'),
    afterMs: spoolAfterMs,
  });
  opened.defer(() => spool.close());
  const redis = connectRedis({
    ...environment.redis,
    commandTimeoutMs: redisMs,
    onError: (error) => logger.warn({ err: error }, 'Redis'),
  });
  opened.defer(() => redis.close());
  if (!(await redis.whenReady(redisReadyMs))) {
    logger.error('Redis does not answer: payments are decided without velocity until it does');
  }
  const names = new RedisReleaseNames(redis);
  opened.defer(
    names.announce(release.id, release.features.names, (error) =>
      logger.warn({ err: error }, 'Redis does not take the names of the features'),
    ),
  );
  const cache = new RedisDecisionCache({ connection: redis, ttlMs: environment.claimMs });
  const velocity = openSharedVelocity(release, redis, cache, environment.redis.copiesBytesMax);
  opened.defer(async () => {
    await velocity.close();
  });
  const registry = new Registry();
  const metrics = createPipelineMetrics(registry);
  const engines = { log, redis, velocity, spool };
  const composed: ComposedDecider = composeDecider({
    ...engines,
    release,
    releaseOf: (id) => (id === release.id ? Promise.resolve(release) : archivedRelease(releases.compiled(id))),
    archived: (store) =>
      analytics === undefined ? store : withArchive(store, analytics, (id) => releases.namesOf(id)),
    cache,
    redisMs,
    metrics,
    encode: (records) => messagesOf(names, records),
    dependencies: () => deciderDependencies({ ...engines, ...composed }),
    onFailure: (what, error) => logger.warn({ err: error }, what),
  });
  opened.defer(() => composed.store.close());
  opened.defer(() => composed.pipeline.close());
  const parts = { ...engines, ...composed };
  registerDeciderGauges(registry, parts);
  const open = opened.move();
  return { ...parts, cache, release, metrics, registry, analytics, close: () => open.disposeAsync() };
}
