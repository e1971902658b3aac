/** What an event log over Kafka is told, whichever client it speaks through. */
import { LogUnavailable } from '../../pipeline/logErrors.ts';
import type { Topic } from '../../pipeline/ports.ts';
import type { KafkaClientName } from './clients.ts';

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

/** What a client says about itself: a message, and numbers and names that go with it. Never keys, values or secrets. */
export type ClientLog = (
  severity: 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export interface KafkaLogOptions {
  readonly connection: KafkaConnection;
  /** Unset: platformatic. */
  readonly client?: KafkaClientName;
  /** This process's own name in its consumer groups, over restarts (`group.instance.id`); not with kafkajs. Unset: a new member each time. */
  readonly groupInstanceId?: string;
  /** Before the names of topics and groups: several installations on one cluster. */
  readonly prefix?: string;
  /** Partitions of topics that are made because they are not there; false makes none. */
  readonly createTopics?: Readonly<Partial<Record<Topic, number>>> | false;
  readonly onLog?: ClientLog;
  /** Messages were deleted before they were read: `from` was to come next, `to` is the oldest that is left. */
  readonly onOffsetOutOfRange?: (topic: Topic, partition: number, from: number | undefined, to: number) => void;
  /** @see kafkaBounds.stallMsMax */
  readonly stallMsMax?: number;
}

/** The clients' errors name brokers and topics, not what was sent. */
export function unavailable(what: string, error: unknown): LogUnavailable {
  if (error instanceof LogUnavailable) return error;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new LogUnavailable(`${what}: ${reason}`, { cause: error });
}
