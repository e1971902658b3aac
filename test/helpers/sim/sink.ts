/** The sink role as a simulated process; as src/cli/roles/sinks.ts, for both topics. */
import { createDecisionDecoder, decodeLabelOf } from '../../../src/cli/roles/sinkEntries.ts';
import { deadLetterMessage } from '../../../src/pipeline/deadletter.ts';
import { SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import { createPartitionSink } from '../../../src/pipeline/partitionSink.ts';
import type { EventLog } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { runSink } from '../../../src/pipeline/sink.ts';
import type { SimAnalytics } from './analytics.ts';
import { type Engines, type SimProcess, tenantId } from './processes.ts';
import type { Actor } from './world.ts';

export const sinkGroups = {
  [topics.decisions]: 'holdfast-sink-decisions',
  [topics.labels]: 'holdfast-sink-labels',
} as const;
type SinkTopic = keyof typeof sinkGroups;
const retryPauseMs = 1_000;

/** Inside of the process, so that its own timers are the world's. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
    setTimeout(resolve, ms);
  });
}

interface SinkTools {
  readonly actor: Actor;
  readonly log: EventLog;
  readonly analytics: SimAnalytics;
  readonly signal: AbortSignal;
  readonly onDead: () => void;
}

async function runTopic(topic: SinkTopic, tools: SinkTools): Promise<void> {
  const { actor, log, analytics, signal, onDead } = tools;
  const subscription = await log.subscribe(sinkGroups[topic], topic);
  const sink = createPartitionSink({
    topic,
    group: sinkGroups[topic],
    subscription,
    store: analytics.client(actor),
    decode: topic === topics.decisions ? createDecisionDecoder() : decodeLabelOf(tenantId),
    onUnreadable: (messages) =>
      log.append(
        topics.deadletter,
        messages.map((message) => deadLetterMessage(topic, message, 'malformed_json', new Date().toISOString())),
      ),
  });
  const hooks = {
    wait: pause,
    onStep: () => {},
    onError: (error: unknown) => {
      actor.world.trace(actor.name, () => `the sink tries again: ${String(error)}`);
      if (error instanceof SubscriptionDead && !signal.aborted) onDead();
    },
  };
  await runSink(sink, hooks, signal);
  await subscription.close().catch(() => {});
}

async function runForEver(topic: SinkTopic, tools: SinkTools): Promise<void> {
  while (!tools.signal.aborted) {
    try {
      await runTopic(topic, tools);
      return;
    } catch {
      await pause(retryPauseMs, tools.signal);
    }
  }
}

export function startSimSink(
  { kafka }: Engines,
  analytics: SimAnalytics,
  actor: Actor,
  onDead: () => void,
): SimProcess {
  const stopping = new AbortController();
  const log = kafka.client(actor);
  const tools: SinkTools = { actor, log, analytics, signal: stopping.signal, onDead };
  const running = Promise.all([runForEver(topics.decisions, tools), runForEver(topics.labels, tools)]);
  return {
    actor,
    async stop() {
      stopping.abort();
      await running;
      await log.close();
    },
  };
}
