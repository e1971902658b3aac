/** What decides payments over shared engines, put together: the same over the real ones and over simulated ones. */
import type { RedisConnection } from '../../adapters/redis/connection.ts';
import { RedisVelocityStore } from '../../adapters/redis/velocity.ts';
import { labelToJson } from '../../domain/label.ts';
import type { FindableStore } from '../../pipeline/archive.ts';
import { ClaimedStore } from '../../pipeline/claimedStore.ts';
import { systemClock } from '../../pipeline/clock.ts';
import { createDecisionService } from '../../pipeline/decisionService.ts';
import type { PipelineMetrics } from '../../pipeline/metrics.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import {
  type DecisionCache,
  type DecisionRecord,
  type EventLog,
  topics,
  type VelocityStore,
} from '../../pipeline/ports.ts';
import { RecordedPayments } from '../../pipeline/recordedPayments.ts';
import type { DecisionService, DependencyState } from '../../pipeline/service.ts';
import type { OutgoingMessage, Spool } from '../../pipeline/spool.ts';
import type { CompiledRelease } from '../../releases/compile.ts';

/** How long a role waits for its engines. */
export interface DeciderWaits {
  /** For one reply of Redis, milliseconds. */
  readonly redisMs: number;
  /** For Kafka, before the spool takes decisions, milliseconds. */
  readonly spoolAfterMs: number;
}

/** Somebody waits for the answer: Redis and Kafka get the smaller part of the default deadline of 100 ms. */
export const serveWaits: DeciderWaits = { redisMs: 25, spoolAfterMs: 40 };
/** Nobody waits: rather late than degraded. */
export const streamWaits: DeciderWaits = { redisMs: 500, spoolAfterMs: 2_000 };

export interface DeciderParts {
  readonly release: CompiledRelease;
  readonly releaseOf: (id: string) => Promise<CompiledRelease>;
  /** The store, and what is kept beyond it. */
  readonly archived: (store: ClaimedStore) => FindableStore;
  readonly log: Pick<EventLog, 'append'>;
  readonly spool: Pick<Spool, 'append'>;
  readonly cache: DecisionCache;
  readonly velocity: VelocityStore;
  readonly redisMs: number;
  readonly metrics: PipelineMetrics;
  /** Decisions of any release as their topic carries them. */
  readonly encode: (records: readonly DecisionRecord[]) => Promise<readonly OutgoingMessage[]>;
  readonly dependencies: () => readonly DependencyState[];
  /** Something failed, and it goes on. */
  readonly onFailure: (what: string, error: unknown) => void;
}

export interface ComposedDecider {
  readonly store: ClaimedStore;
  /** The same, and for who looks for a decision what is kept beyond it. */
  readonly records: FindableStore;
  readonly pipeline: Pipeline;
  readonly service: DecisionService;
}

/** Velocity in a Redis where other processes decide too. */
export function openSharedVelocity(
  { features }: CompiledRelease,
  connection: RedisConnection,
  cache: Pick<DecisionCache, 'lookup'>,
  copiesBytesMax: number,
): RedisVelocityStore {
  const recorded = new RecordedPayments();
  return new RedisVelocityStore({
    program: features,
    connection,
    copiesBytesMax,
    async isDecided(tenantId, payment) {
      const [claim] = await cache.lookup(tenantId, [payment.paymentId]);
      return claim !== undefined && recorded.isOf(claim.record, payment);
    },
  });
}

function createStore({ log, spool, cache, velocity, redisMs, metrics, encode, onFailure }: DeciderParts): ClaimedStore {
  const recorded = new RecordedPayments();
  return new ClaimedStore({
    cache,
    async append(records) {
      const messages = await encode(records);
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
        const payment = recorded.of(record);
        if (payment !== undefined) velocity.missed?.(record.tenantId, [payment]);
      }
    },
    onFailure: (step, error) => onFailure(`the store of decisions goes on without its ${step}`, error),
    waitedForMs: redisMs,
    unhurriedMs: 2 * redisMs,
  });
}

/** Whoever calls closes the pipeline, then the store. */
export function composeDecider(parts: DeciderParts): ComposedDecider {
  const { release, releaseOf, velocity, metrics, dependencies, onFailure } = parts;
  const store = createStore(parts);
  const pipeline = new Pipeline({
    release,
    store,
    velocity,
    pool: undefined,
    clock: systemClock,
    metrics,
    onStageFailure(stage, failure, error) {
      metrics.stageFailed(stage, failure);
      onFailure(`stage ${stage}: ${failure}`, error);
    },
  });
  const records = parts.archived(store);
  const service = createDecisionService({
    pipeline,
    store: records,
    velocity,
    releaseOf,
    dependencies,
    labelsByTopic: true,
    onFailure: (error) => onFailure('labels were not recorded', error),
  });
  return { store, records, pipeline, service };
}
