/** A kafkajs client as Holdfast uses it: its own bounds, its log handed on without payment data. */
import './repair.ts';
import './produceRequest.ts';
import type { KafkaConfig, LogEntry } from 'kafkajs';
import { Kafka, logLevel } from 'kafkajs';
import { LogUnavailable } from '../../pipeline/logErrors.ts';
import { kafkaBounds } from './bounds.ts';

export type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';
interface Login<M> {
  readonly mechanism: M;
  readonly username: string;
  readonly password: string;
}

export interface KafkaConnection {
  /** host:port of some brokers; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** `ca`: PEM certificates to trust instead of the system's. */
  readonly tls?: { readonly ca?: string };
  readonly sasl?: { [M in SaslMechanism]: Login<M> }[SaslMechanism];
}

/** What kafkajs says about itself: a message, and numbers and names that go with it. Never keys, values or secrets. */
export type ClientLog = (
  severity: 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

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

/** kafkajs' errors name brokers and topics, not what was sent. */
export function unavailable(what: string, error: unknown): LogUnavailable {
  if (error instanceof LogUnavailable) return error;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new LogUnavailable(`${what}: ${reason}`, { cause: error });
}
