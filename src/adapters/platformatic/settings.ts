/** How Holdfast uses @platformatic/kafka: its own bounds, and its errors told apart. */
import type { BaseOptions } from '@platformatic/kafka';
import { findErrorBy } from '@platformatic/kafka';
import { kafkaBounds } from '../kafka/bounds.ts';
import type { KafkaConnection } from '../kafka/options.ts';

const mechanisms = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const;

/**
 * Options without retries. The client repeats with what it knew before: a send after a change of leaders goes as a whole to the
 * new leader of its first message, and a commit after a rebalance is repeated in the new generation, whoever has the partition now.
 */
export function clientOptions({ brokers, tls, sasl }: KafkaConnection, requestMsMax: number): BaseOptions {
  return {
    clientId: 'holdfast',
    bootstrapBrokers: [...brokers],
    connectTimeout: kafkaBounds.connectMsMax,
    requestTimeout: requestMsMax,
    timeout: kafkaBounds.requestMsMax,
    retries: 0,
    autocreateTopics: false,
    ...(tls === undefined ? {} : { tls: tls.ca === undefined ? {} : { ca: [tls.ca] }, tlsServerName: true }),
    ...(sasl === undefined
      ? {}
      : { sasl: { mechanism: mechanisms[sasl.mechanism], username: sasl.username, password: sasl.password } }),
  };
}

/** The group is being shared out anew: after the next join it is known whether the partitions are still ours. */
export const isRebalance = (error: unknown): boolean =>
  error instanceof Error && findErrorBy(error, 'needsRejoin', true) !== null;

/** What another time may end otherwise: the network, timeouts, and what the broker itself says is a matter of time. */
export const isMatterOfTime = (error: unknown): boolean =>
  error instanceof Error &&
  (findErrorBy(error, 'canRetry', true) !== null || findErrorBy(error, 'hasStaleMetadata', true) !== null);

/** Names and reasons; the text of an error of many names only what was done. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) {
    return [error.message, ...error.errors.map((inner: unknown) => reasonOf(inner))].join(' ');
  }
  return error instanceof Error ? error.message : String(error);
}

/** The n-th pause, doubling. */
export const pauseMs = (attempt: number): number =>
  Math.min(kafkaBounds.retryPauseMs * 2 ** attempt, kafkaBounds.retryPauseMsMax);
