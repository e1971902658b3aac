/** The embedded system: one process tree over one data directory. The only place that picks the embedded adapters. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { startAnalyticsChild } from '../../adapters/clickhouse/childClient.ts';
import type { AnalyticsChild } from '../../adapters/clickhouse/childClient.ts';
import { createFeatureNames } from '../../adapters/clickhouse/featureNames.ts';
import { createVelocityMemory } from '../../adapters/memory/velocity.ts';
import { openEmbedded } from '../../adapters/sqlite/open.ts';
import type { Embedded } from '../../adapters/sqlite/open.ts';
import { createScoringPool } from '../../adapters/threads/scoringPool.ts';
import { systemClock } from '../../pipeline/clock.ts';
import { createDecisionService } from '../../pipeline/decisionService.ts';
import type { PipelineMetrics } from '../../pipeline/metrics.ts';
import { createPipelineMetrics } from '../../pipeline/metrics.ts';
import { liveParity, type ParityTiming } from '../../pipeline/parityJob.ts';
import { createModelsService, type ModelsService } from '../../pipeline/models.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import type { ScoringPool } from '../../pipeline/ports.ts';
import type { DecisionService, DependencyState } from '../../pipeline/service.ts';
import { StreamConsumer } from '../../pipeline/stream.ts';
import type { Environment } from '../../config/env.ts';
import type { VelocityStore } from '../../pipeline/ports.ts';
import type { ReleaseBundle } from '../../releases/bundle.ts';
import type { BindOptions } from '../../models/types.ts';
import type { CompiledRelease } from '../../releases/compile.ts';
import { ReleaseStore } from '../../releases/store.ts';
import { type ModelGauges, startModelGauges } from '../modelGauges.ts';
import { registerSystemGauges } from './gauges.ts';
import { type KafkaSide, startKafkaSide } from './kafka.ts';
import { openRedisVelocity } from './redis.ts';
import { warmUp } from './warmUp.ts';

/** Resident bytes of velocity state before clean entities are put out of memory (they stay on disk). */
const velocityResidentBytesMax = 2 ** 30;
const lagRefreshMs = 1000;

export interface SystemOptions {
  readonly dataDirectory: string;
  readonly bundle: ReleaseBundle;
  readonly logger: Logger;
  /** Where set, that port is the real engine instead of its embedded twin; each by itself. */
  readonly engines?: Engines;
  /** A part has ended that only a new start of the process brings back. */
  readonly onDead?: (error: unknown) => void;
  /** When recorded features are compared with the journal; `liveParity.timing` unless told. */
  readonly parityTiming?: ParityTiming;
  /** How the model is bound; as it is by default where unset. */
  readonly binding?: BindOptions;
  /** Worker threads for scoring; 0 scores every batch where it is. */
  readonly scoringThreads?: number;
}

export type Engines = Pick<Environment, 'kafka' | 'redis' | 'clickhouse' | 'retention'> &
  Partial<Pick<Environment, 'shadowShare'>>;

export interface System {
  readonly release: CompiledRelease;
  readonly service: DecisionService;
  readonly embedded: Embedded;
  readonly analytics: AnalyticsChild;
  readonly models: ModelsService;
  readonly modelGauges: ModelGauges;
  readonly metrics: PipelineMetrics;
  readonly registry: Registry;
  /** Payments accepted or in the log and not yet decided; a second old at most. */
  readonly backlog: () => number;
  /** Finishes what is in flight, stores everything, frees the directory. */
  close(): Promise<void>;
}

function dependenciesOf(embedded: Embedded, analytics: AnalyticsChild, pipeline: Pipeline): readonly DependencyState[] {
  const { lastError } = embedded.stats();
  const child = analytics.state();
  const stages = pipeline
    .stageStates()
    .map(({ name, state }): DependencyState => ({ name, state: state === 'up' ? 'up' : 'degraded' }));
  return [
    lastError === undefined
      ? { name: 'journal', state: 'up' }
      : { name: 'journal', state: 'degraded', detail: lastError },
    // Decisions do not need it: away it is a degradation of the reports, never a reason to refuse payments.
    child.state === 'up' && child.lastError === undefined
      ? { name: 'analytics', state: 'up', detail: `${child.lagRows} rows behind` }
      : { name: 'analytics', state: 'degraded', detail: child.lastError ?? child.state },
    ...stages,
  ];
}

function startPool(
  release: CompiledRelease,
  threads: number,
  models: BindOptions,
  logger: Logger,
): ScoringPool | undefined {
  if (threads === 0) return undefined;
  const pool = createScoringPool(release, threads, models);
  // In the background: until it is measured, every batch is scored inline.
  pool.calibrate(release).then(
    () => logger.info({ threads, rowsMin: pool.rowsMin }, 'scoring pool measured'),
    (error: unknown) => logger.error({ err: error }, 'the scoring pool is not available, batches are scored inline'),
  );
  return pool;
}

function openMemory(embedded: Embedded, release: CompiledRelease, logger: Logger): Promise<VelocityStore> {
  return embedded.velocity(
    (hooks) => createVelocityMemory(release.features, { ...hooks, residentBytesMax: velocityResidentBytesMax }),
    (progress) => {
      if (progress.total > 0) logger.info(progress, 'recovering the velocity state');
    },
  );
}

function startAnalytics({ dataDirectory, engines, parityTiming }: SystemOptions): AnalyticsChild {
  const { redis, clickhouse, retention, shadowShare } = engines ?? {};
  return startAnalyticsChild({
    dataDir: dataDirectory,
    sink: true,
    server: clickhouse,
    retention,
    shadowShare,
    // With Redis the journal does not say in which order the velocity state saw its payments.
    parity: redis === undefined ? (parityTiming ?? liveParity.timing) : undefined,
  });
}

export async function startSystem(options: SystemOptions): Promise<System> {
  const { logger, dataDirectory, binding = {} } = options;
  const releases = new ReleaseStore(dataDirectory, binding);
  const release = await releases.add(options.bundle);
  warmUp(release, systemClock.nowMs());
  const embedded = await openEmbedded(dataDirectory);
  const registry = new Registry();
  const metrics = createPipelineMetrics(registry);
  const { kafka, redis: redisSettings } = options.engines ?? {};
  const redis = redisSettings === undefined ? undefined : openRedisVelocity(redisSettings, release.features, logger);
  const velocity = redis?.store ?? (await openMemory(embedded, release, logger));
  const pool = startPool(release, options.scoringThreads ?? Math.max(1, availableParallelism() - 1), binding, logger);
  const pipeline = new Pipeline({
    release,
    store: embedded.decisions,
    velocity,
    pool,
    clock: systemClock,
    metrics,
    onStageFailure(stage, failure, error) {
      metrics.stageFailed(stage, failure);
      logger.warn({ stage, failure, err: error }, 'a stage failed');
    },
  });
  const stream = new StreamConsumer({
    log: embedded.log,
    store: embedded.decisions,
    pipeline,
    clock: systemClock,
    tenantId: 'default',
    onFailure: (error) => logger.error({ err: error }, 'the stream reads its last messages again'),
    onDead: (error) => logger.fatal({ err: error }, 'the stream has ended: payments on the topic wait for a restart'),
    onDeadLetter: (code) => metrics.deadLetter(code),
  });
  const analytics = startAnalytics(options);
  const models = createModelsService({ release, analytics, parity: () => analytics.state().parity });
  const modelGauges = startModelGauges(registry, models);
  let streamLag = 0;
  const lagTimer = setInterval(() => {
    Promise.all([stream.lag(), kafkaSide?.lag() ?? 0]).then(
      ([embeddedLag, kafkaLag]) => {
        streamLag = embeddedLag + kafkaLag;
      },
      () => {},
    );
  }, lagRefreshMs);
  let kafkaSide: KafkaSide | undefined;
  const backlog = (): number => streamLag + pipeline.inFlight;
  const service = createDecisionService({
    pipeline,
    store: embedded.decisions,
    velocity,
    releaseOf: (id) => (id === release.id ? Promise.resolve(release) : releases.compiled(id)),
    dependencies: () => [
      ...dependenciesOf(embedded, analytics, pipeline),
      ...(redis === undefined ? [] : [redis.dependency()]),
      ...(kafkaSide === undefined ? [] : [kafkaSide.dependency()]),
    ],
    onFailure: (error) => logger.warn({ err: error }, 'labels were not recorded'),
  });
  registerSystemGauges(registry, { embedded, analytics, pipeline, streamLag: () => streamLag });
  stream.start();
  if (kafka !== undefined) {
    kafkaSide = startKafkaSide({
      settings: kafka,
      journal: embedded.log,
      store: embedded.decisions,
      pipeline,
      service,
      metrics,
      logger,
      tenantId: 'default',
      namesOf: namesIn(dataDirectory),
      onDead: options.onDead ?? (() => {}),
    });
  }
  return {
    release,
    service,
    embedded,
    analytics,
    models,
    modelGauges,
    metrics,
    registry,
    backlog,
    async close() {
      clearInterval(lagTimer);
      await kafkaSide?.stop();
      await stream.stop();
      await pipeline.close();
      const refreshed = modelGauges.stop();
      await analytics.close();
      await refreshed;
      await pool?.close();
      await redis?.close();
      await embedded.close();
    },
  };
}

/** Feature names of any release in the data directory. */
function namesIn(dataDirectory: string): (releaseId: string) => readonly string[] {
  const namesOf = createFeatureNames(join(dataDirectory, 'releases'));
  return (releaseId) => {
    const names = namesOf(releaseId);
    if (names === undefined) throw new Error(`release ${releaseId} is not in the data directory any more`);
    return names;
  };
}
