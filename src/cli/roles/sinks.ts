/** The sinks of the two topics: decisions and labels, each a member of its group, into one ClickHouse. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { collectDefaultMetrics, type Registry } from 'prom-client';
import type { ClickHouseStore } from '../../adapters/clickhouse/store.ts';
import { deadLetterMessage } from '../../pipeline/deadletter.ts';
import { SubscriptionDead } from '../../pipeline/logErrors.ts';
import { registerGauge } from '../../pipeline/metrics.ts';
import { Revivals } from '../../pipeline/revivals.ts';
import { createPartitionSink } from '../../pipeline/partitionSink.ts';
import type { EventLog, Message, Subscription, Topic } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import type { DependencyState } from '../../pipeline/service.ts';
import { runSink } from '../../pipeline/sink.ts';
import { createDecisionDecoder, decodeLabelOf } from './sinkEntries.ts';

const groups = { [topics.decisions]: 'holdfast-sink-decisions', [topics.labels]: 'holdfast-sink-labels' } as const;
type SinkTopic = keyof typeof groups;
const names: Readonly<Record<SinkTopic, string>> = { [topics.decisions]: 'decisions', [topics.labels]: 'labels' };
const tenantId = 'default';
const retryPauseMs = 1_000;
const lagRefreshMs = 5_000;

export interface SinksOptions {
  readonly log: EventLog;
  readonly store: ClickHouseStore;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly onDead: (error: unknown) => void;
}

export interface Sinks {
  readonly readiness: () => { readonly ready: boolean; readonly dependencies: readonly DependencyState[] };
  /** Finishes the blocks under way. */
  stop(): Promise<void>;
}

/** How far behind each topic's sink is, asked for as long as it is watched. */
function createLagGauges(registry: Registry): (topic: SinkTopic, ask: () => Promise<number>) => () => void {
  const lags = new Map<SinkTopic, number>();
  for (const [topic, name] of Object.entries(names) as [SinkTopic, string][]) {
    const help = `Messages of ${name} that are not yet in ClickHouse.`;
    registerGauge(registry, `holdfast_sink_${name}_lag_messages`, help, () => lags.get(topic) ?? 0);
  }
  return (topic, ask) => {
    let asking = false;
    const timer = setInterval(() => {
      // While Kafka is away an answer takes longer than the time to the next question.
      if (asking) return;
      asking = true;
      void ask()
        .then(
          (messages) => lags.set(topic, messages),
          () => {},
        )
        .finally(() => {
          asking = false;
        });
    }, lagRefreshMs);
    return () => clearInterval(timer);
  };
}

export function startSinks(options: SinksOptions): Sinks {
  const { log, store, registry, logger } = options;
  const stopping = new AbortController();
  const decode = { [topics.decisions]: createDecisionDecoder(), [topics.labels]: decodeLabelOf(tenantId) };
  const failures = new Map<SinkTopic | 'schema', string>();
  const watchLag = createLagGauges(registry);
  collectDefaultMetrics({ register: registry });

  function onUnreadable(topic: Topic, messages: readonly Message[]): Promise<void> {
    const at = new Date().toISOString();
    return log.append(
      topics.deadletter,
      messages.map((message) => deadLetterMessage(topic, message, 'malformed_json', at)),
    );
  }

  function counterOf(topic: SinkTopic): (more: number) => void {
    let rows = 0;
    const name = names[topic];
    registerGauge(registry, `holdfast_sink_${name}_rows`, `Messages of ${name} that reached ClickHouse.`, () => rows);
    return (more) => {
      rows += more;
    };
  }

  /** Until the role stops. @throws SubscriptionDead */
  async function runTopic(topic: SinkTopic, subscription: Subscription, count: (rows: number) => void): Promise<void> {
    const sink = createPartitionSink({
      topic,
      group: groups[topic],
      subscription,
      store,
      decode: decode[topic],
      onUnreadable: (messages) => onUnreadable(topic, messages),
    });
    const unwatch = watchLag(topic, () => sink.lagRows());
    const died = new AbortController();
    const hooks = {
      wait: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => undefined),
      onStep(step: { readonly rows: number }) {
        count(step.rows);
        failures.delete(topic);
      },
      onError(error: unknown) {
        failures.set(topic, error instanceof Error ? error.name : 'failed');
        if (error instanceof SubscriptionDead) died.abort(error);
        else if (!stopping.signal.aborted) logger.warn({ topic, err: error }, 'the sink tries its last block again');
      },
    };
    await runSink(sink, hooks, AbortSignal.any([stopping.signal, died.signal])).finally(unwatch);
    await subscription.close().catch(() => {});
    if (!stopping.signal.aborted) throw died.signal.reason;
  }

  /** What must be there before the first block: the tables, then membership in the group. */
  async function start(topic: SinkTopic, migrated: Promise<void>): Promise<void> {
    await migrated;
    const revivals = new Revivals();
    const count = counterOf(topic);
    while (!stopping.signal.aborted) {
      try {
        const subscription = await log.subscribe(groups[topic], topic);
        revivals.born();
        failures.delete(topic);
        await runTopic(topic, subscription, count);
      } catch (error) {
        failures.set(topic, error instanceof Error ? error.name : 'failed');
        const pauseMs = error instanceof SubscriptionDead ? revivals.next(error) : retryPauseMs;
        if (pauseMs === undefined) {
          stopping.abort();
          options.onDead(error);
          return;
        }
        logger.warn({ topic, err: error }, 'the sink tries to join again');
        await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  async function migrate(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await store.migrate();
        failures.delete('schema');
        return;
      } catch (error) {
        failures.set('schema', error instanceof Error ? error.name : 'failed');
        logger.warn({ err: error }, 'ClickHouse cannot be brought to the newest schema now');
        await sleep(retryPauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  const migrated = migrate();
  const running = Promise.all([start(topics.decisions, migrated), start(topics.labels, migrated)]);
  return {
    readiness() {
      const dependencies = [...failures].map(
        ([name, detail]): DependencyState => ({ name, state: 'degraded', detail }),
      );
      return { ready: true, dependencies };
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
