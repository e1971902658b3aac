/** The roles as simulated processes: composed as in src/cli/roles, over the simulated engines. */
import { Registry } from 'prom-client';
import { RedisDecisionCache } from '../../../src/adapters/redis/decisionCache.ts';
import { createStepMarks } from '../../../src/adapters/redis/stepMarks.ts';
import type { RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import { createLabelApplier } from '../../../src/cli/roles/applyLabels.ts';
import {
  composeDecider,
  type DeciderWaits,
  openSharedVelocity,
  serveWaits,
  streamWaits,
} from '../../../src/cli/roles/composeDecider.ts';
import type { FindableStore } from '../../../src/pipeline/archive.ts';
import type { ClaimedStore } from '../../../src/pipeline/claimedStore.ts';
import { systemClock } from '../../../src/pipeline/clock.ts';
import { encodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import { LabelConsumer } from '../../../src/pipeline/labelConsumer.ts';
import { createPipelineMetrics } from '../../../src/pipeline/metrics.ts';
import type { Pipeline } from '../../../src/pipeline/pipeline.ts';
import { type DecisionRecord, type EventLog, topics, type VelocityStore } from '../../../src/pipeline/ports.ts';
import type { DecisionService } from '../../../src/pipeline/service.ts';
import { Spool } from '../../../src/pipeline/spool.ts';
import { StreamConsumer, streamGroup } from '../../../src/pipeline/stream.ts';
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import type { DiskFaults, SimDisk } from './disk.ts';
import type { SimKafka } from './kafka.ts';
import type { SimRedis } from './redis.ts';
import { Uncounted } from './uncounted.ts';
import type { Actor } from './world.ts';

export const tenantId = 'default';
/** Few: entities are given up and read anew all the time. */
const copiesBytesMax = 2 ** 16;
/** Nobody reads them here, and making them takes longer than a history. */
export const metrics = createPipelineMetrics(new Registry());

export interface Engines {
  readonly kafka: SimKafka;
  readonly redis: SimRedis;
  readonly release: CompiledRelease;
  readonly diskFaults: DiskFaults;
  /** A decision is on its way to its topic. */
  readonly onPublish: (actor: Actor, records: readonly DecisionRecord[]) => void;
}

/** What a history asks of a process that decides. */
export interface SimDecider {
  readonly actor: Actor;
  readonly service: DecisionService;
  /** The state of the process, where it is in no engine. */
  readonly memory?: VelocityStore;
  /** Payments that it is still to count. */
  readonly uncounted: () => readonly string[];
}

interface OpenDecider extends SimDecider {
  readonly log: EventLog;
  readonly pipeline: Pipeline;
  readonly store: ClaimedStore;
  readonly records: FindableStore;
  readonly velocity: RedisVelocityStore;
  readonly cache: RedisDecisionCache;
  readonly connection: ReturnType<SimRedis['connect']>;
  close(): Promise<void>;
}

/** Over the simulated engines what src/cli/roles/decider.ts is over the real ones. */
function openSimDecider(engines: Engines, actor: Actor, disk: SimDisk, waits: DeciderWaits): OpenDecider {
  const { release } = engines;
  const { world } = actor;
  const log = engines.kafka.client(actor);
  const connection = engines.redis.connect(actor, waits.redisMs);
  const cache = new RedisDecisionCache({ connection });
  const redisVelocity = openSharedVelocity(release, connection, cache, copiesBytesMax);
  const uncounted = new Uncounted(redisVelocity);
  const told = (what: string, error: unknown) => world.trace(actor.name, () => `${what}: ${String(error)}`);
  const spool = new Spool({
    file: disk.open(actor, engines.diskFaults),
    append: (messages) => {
      // Whoever is spooled must reach the topic first.
      const [oldest] = disk.spooled;
      if (oldest !== undefined && Buffer.compare(oldest.value, messages[0]?.value ?? new Uint8Array()) !== 0)
        world.violate(`${actor.name} sends ${messages[0]?.key} before ${oldest.key}, which is spooled`);
      return log.append(topics.decisions, messages);
    },
    onFailure: (error) => told('decisions are spooled', error),
    afterMs: waits.spoolAfterMs,
  });
  const composed = composeDecider({
    release,
    releaseOf: () => Promise.resolve(release),
    archived: (store) => store,
    log,
    spool,
    cache,
    velocity: uncounted.velocity,
    redisMs: waits.redisMs,
    metrics,
    encode: async (records) => {
      engines.onPublish(actor, records);
      return records.map((record) => ({
        key: record.paymentId,
        value: encodeDecisionMessage(record, release.features.names),
      }));
    },
    dependencies: () => [],
    onFailure: told,
  });
  return {
    ...composed,
    actor,
    log,
    velocity: redisVelocity,
    uncounted: () => uncounted.ids(),
    cache,
    connection,
    async close() {
      await composed.pipeline.close();
      await composed.store.close();
      await redisVelocity.close();
      await connection.close();
      await spool.close();
      await log.close();
    },
  };
}

/** What of a process the history speaks to. */
export interface SimProcess {
  readonly actor: Actor;
  readonly decider?: SimDecider;
  stop(): Promise<void>;
}

/** As src/cli/serve.ts. */
export function startSimServe(engines: Engines, actor: Actor, disk: SimDisk): SimProcess {
  const decider = openSimDecider(engines, actor, disk, serveWaits);
  return { actor, decider, stop: () => decider.close() };
}

/** As src/cli/stream.ts. */
export function startSimStream(engines: Engines, actor: Actor, disk: SimDisk, onDead: () => void): SimProcess {
  const { world } = actor;
  const decider = openSimDecider(engines, actor, disk, streamWaits);
  const shared = { log: decider.log, clock: systemClock, onDeadLetter: () => {}, onDead };
  const payments = new StreamConsumer({
    ...shared,
    tenantId,
    store: decider.store,
    pipeline: decider.pipeline,
    marks: createStepMarks(decider.connection, streamGroup),
    onFailure: (error) => {
      world.interrupted = true;
      world.trace(actor.name, () => `the stream reads again: ${String(error)}`);
    },
  });
  const labels = new LabelConsumer({
    ...shared,
    apply: createLabelApplier(decider, tenantId),
    onFailure: (error) => world.trace(actor.name, () => `labels are read again: ${String(error)}`),
  });
  payments.start();
  labels.start();
  return {
    actor,
    decider,
    async stop() {
      await Promise.all([payments.stop(), labels.stop()]);
      await decider.close();
    },
  };
}
