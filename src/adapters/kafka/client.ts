/** A kafkajs client as Holdfast uses it: its own bounds, its log handed on without payment data. */
import './repair.ts';
import './produceRequest.ts';
import type { KafkaConfig, LogEntry } from 'kafkajs';
import { Kafka, logLevel } from 'kafkajs';
import { kafkaBounds } from './bounds.ts';
import type { ClientLog, KafkaConnection } from './options.ts';

const shown = ['broker', 'topic', 'partition', 'groupId', 'memberId', 'error', 'retryCount', 'retryTime'] as const;

export function createClient(connection: KafkaConnection, onLog: ClientLog): Kafka {
  const { brokers, tls, sasl } = connection;
  const config: KafkaConfig = {
    clientId: 'holdfast',
    brokers: [...brokers],
    connectionTimeout: kafkaBounds.connectMsMax,
    requestTimeout: kafkaBounds.requestMsMax,
    retry: {
      retries: kafkaBounds.retriesMax,
      initialRetryTime: kafkaBounds.retryPauseMs,
      maxRetryTime: kafkaBounds.retryPauseMsMax,
    },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ level, log }: LogEntry) => {
        const fields = Object.fromEntries(
          shown.filter((name) => name in log).map((name) => [name, log[name] as unknown]),
        );
        onLog(level === logLevel.ERROR ? 'error' : 'warn', log.message, fields);
      },
  };
  if (tls !== undefined) config.ssl = tls.ca === undefined ? true : { ca: [tls.ca] };
  if (sasl !== undefined) config.sasl = { ...sasl };
  return new Kafka(config);
}
