/** `up` with Kafka: payments and labels come from its topics as well, and the journal's decisions go to its topic. */
import type { Logger } from 'pino';
import type { KafkaSettings } from '../../config/kafka.ts';
import { systemClock } from '../../pipeline/clock.ts';
import { decodeRecord } from '../../pipeline/codec.ts';
import { encodeDecisionMessage } from '../../pipeline/decisionMessage.ts';
import { LabelConsumer } from '../../pipeline/labelConsumer.ts';
import type { PipelineMetrics } from '../../pipeline/metrics.ts';
import { startOutbox } from '../../pipeline/outbox.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { DecisionStore, EventLog } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import type { DecisionService, DependencyState } from '../../pipeline/service.ts';
import { StreamConsumer } from '../../pipeline/stream.ts';
import { openKafka } from '../openKafka.ts';

export interface KafkaSideOptions {
  readonly settings: KafkaSettings;
  readonly journal: EventLog;
  readonly store: DecisionStore;
  readonly pipeline: Pipeline;
  readonly service: DecisionService;
  readonly metrics: PipelineMetrics;
  readonly logger: Logger;
  readonly tenantId: string;
  /** Feature names of a release that the journal has decisions of. */
  readonly namesOf: (releaseId: string) => readonly string[];
  /** A stream has ended for good: only a new start of the process helps. */
  readonly onDead: (error: unknown) => void;
}

export interface KafkaSide {
  dependency(): DependencyState;
  /** Messages on Kafka not yet decided. */
  lag(): Promise<number>;
  stop(): Promise<void>;
}

export function startKafkaSide(options: KafkaSideOptions): KafkaSide {
  const { settings, journal, store, pipeline, service, metrics, logger, tenantId, onDead } = options;
  const log = openKafka(settings, logger);
  const shared = { log, clock: systemClock, onDeadLetter: (code: string) => metrics.deadLetter(code), onDead };
  const payments = new StreamConsumer({
    ...shared,
    store,
    pipeline,
    tenantId,
    onFailure: (error) => logger.error({ err: error }, 'the stream from Kafka reads its last messages again'),
  });
  const labels = new LabelConsumer({
    ...shared,
    apply: (given) => service.label(tenantId, given),
    onFailure: (error) => logger.error({ err: error }, 'the last labels from Kafka are read again'),
  });
  const outbox = startOutbox({
    from: journal,
    to: log,
    topic: topics.decisions,
    translate({ value }) {
      const record = decodeRecord(value);
      return encodeDecisionMessage(record, options.namesOf(record.releaseId));
    },
    onFailure: (error) => logger.warn({ err: error }, 'decisions wait in the journal for Kafka'),
  });
  payments.start();
  labels.start();
  return {
    dependency: () =>
      outbox.failure === undefined
        ? { name: 'kafka', state: 'up' }
        : { name: 'kafka', state: 'degraded', detail: 'decisions wait in the journal' },
    lag: () => payments.lag(),
    async stop() {
      await Promise.all([payments.stop(), labels.stop()]);
      await outbox.stop();
      await log.close();
    },
  };
}
