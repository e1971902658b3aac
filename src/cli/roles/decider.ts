/** What `serve` and `stream` share: the pipeline over Redis and Kafka. */
import { mkdirSync } from 'node:fs';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { KafkaEventLog } from '../../adapters/kafka/eventLog.ts';
import { connectRedis, type RedisConnection } from '../../adapters/redis/connection.ts';
import { RedisDecisionCache } from '../../adapters/redis/decisionCache.ts';
import { RedisReleaseNames } from '../../adapters/redis/releaseNames.ts';
import { RedisVelocityStore } from '../../adapters/redis/velocity.ts';
import { awaitDirectory } from '../../adapters/sqlite/lock.ts';
import { openSpoolFile } from '../../adapters/sqlite/spoolFile.ts';
import { createPaymentDecoder } from '../../domain/decode.ts';
import { labelToJson } from '../../domain/label.ts';
import { Payment } from '../../domain/payment.ts';
import { ClaimedStore } from '../../pipeline/claimedStore.ts';
import { systemClock } from '../../pipeline/clock.ts';
import { encodeDecisionMessage } from '../../pipeline/decisionMessage.ts';
import { createDecisionService } from '../../pipeline/decisionService.ts';
import { createPipelineMetrics, type PipelineMetrics } from '../../pipeline/metrics.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import { type DecisionRecord, topics } from '../../pipeline/ports.ts';
import type { DecisionService } from '../../pipeline/service.ts';
import { Spool } from '../../pipeline/spool.ts';
import type { ReleaseBundle } from '../../releases/bundle.ts';
import { ReleaseStore } from '../../releases/store.ts';
import { openKafka } from '../openKafka.ts';
import { warmUp } from '../up/warmUp.ts';
import { deciderDependencies, registerDeciderGauges } from './deciderState.ts';
import type { RoleEnvironment } from './environment.ts';

/** Longest that a start waits for Redis; without it it goes on, degraded. */
const redisReadyMs = 5_000;

export interface DeciderOptions {
  readonly environment: RoleEnvironment<'kafka' | 'redis'>;
  readonly bundle: ReleaseBundle;
  readonly logger: Logger;
  /** Longest wait for one reply of Redis, milliseconds. */
  readonly redisMs: number;
  /** Longest wait for Kafka before the spool takes decisions, milliseconds. */
  readonly spoolAfterMs: number;
}

export interface Decider {
  readonly log: KafkaEventLog;
  readonly redis: RedisConnection;
  readonly velocity: RedisVelocityStore;
  readonly store: ClaimedStore;
  readonly cache: RedisDecisionCache;
  readonly spool: Spool;
  readonly pipeline: Pipeline;
  readonly service: DecisionService;
  readonly metrics: PipelineMetrics;
  readonly registry: Registry;
  /** Answers what is in flight, then lets go of everything. */
  close(): Promise<void>;
}

/** Decisions of any release as their topic carries them. */
function messagesOf(names: RedisReleaseNames, records: readonly DecisionRecord[]) {
  return Promise.all(
    records.map(async (record) => ({
      key: record.paymentId,
      value: encodeDecisionMessage(record, await names.of(record.releaseId)),
    })),
  );
}

type StoreParts = Pick<Decider, 'log' | 'cache' | 'spool' | 'velocity' | 'metrics'> & {
  readonly names: RedisReleaseNames;
};

function createStore({ log, cache, spool, velocity, metrics, names }: StoreParts, { logger, redisMs }: DeciderOptions) {
  const decoder = createPaymentDecoder();
  return new ClaimedStore({
    cache,
    async append(records) {
      const messages = await messagesOf(names, records);
      const fromMs = performance.now();
      await spool.append(messages);
      metrics.stageTook('append', performance.now() - fromMs);
    },
    appendLabels: (_tenantId, labels) =>
      log.append(
        topics.labels,
        labels.map((label) => ({ key: label.paymentId, value: Buffer.from(JSON.stringify(labelToJson(label))) })),
      ),
    onAdopted(records) {
      for (const record of records) {
        const payment = decoder.decode(record.payment, Number.POSITIVE_INFINITY);
        if (payment instanceof Payment) velocity.missed(record.tenantId, [payment]);
      }
    },
    onFailure: (step, error) => logger.warn({ step, err: error }, 'the store of decisions goes on without it'),
    waitedForMs: redisMs,
    unhurriedMs: 2 * redisMs,
  });
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
  const releases = new ReleaseStore(dataDir, environment.models);
  const release = await releases.add(bundle);
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
  const velocity = new RedisVelocityStore({ program: release.features, connection: redis });
  opened.defer(async () => {
    await velocity.close();
  });
  const cache = new RedisDecisionCache({ connection: redis });
  const registry = new Registry();
  const metrics = createPipelineMetrics(registry);
  const store = createStore({ log, cache, spool, velocity, metrics, names }, options);
  opened.defer(() => store.close());
  const pipeline = new Pipeline({
    release,
    store,
    velocity,
    pool: undefined,
    clock: systemClock,
    metrics,
    onStageFailure(stage, failure, error) {
      metrics.stageFailed(stage, failure);
      logger.warn({ stage, failure, err: error }, 'a stage failed');
    },
  });
  opened.defer(() => pipeline.close());
  const parts = { log, redis, velocity, store, spool, pipeline };
  const service = createDecisionService({
    pipeline,
    store,
    velocity,
    releaseOf: (id) => (id === release.id ? Promise.resolve(release) : releases.compiled(id)),
    dependencies: () => deciderDependencies(parts),
    labelsByTopic: true,
    onFailure: (error) => logger.warn({ err: error }, 'labels were not recorded'),
  });
  registerDeciderGauges(registry, parts);
  const open = opened.move();
  return { ...parts, cache, service, metrics, registry, close: () => open.disposeAsync() };
}
