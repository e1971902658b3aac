/** How Holdfast uses @platformatic/kafka: its own bounds, and its errors told apart. */
import { isIP } from 'node:net';
import type { BaseOptions } from '@platformatic/kafka';
import { findErrorBy } from '@platformatic/kafka';
import { kafkaBounds } from '../kafka/bounds.ts';
import type { KafkaConnection } from '../kafka/options.ts';

const mechanisms = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const;

/** Server Name Indication is for names; the client asks for it for all brokers or for none. */
const isNamed = (broker: string): boolean => isIP(broker.slice(0, broker.lastIndexOf(':'))) === 0;

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
    ...(tls === undefined
      ? {}
      : { tls: tls.ca === undefined ? {} : { ca: [tls.ca] }, tlsServerName: brokers.every(isNamed) }),
    ...(sasl === undefined
      ? {}
      : { sasl: { mechanism: mechanisms[sasl.mechanism], username: sasl.username, password: sasl.password } }),
  };
}

/** The group is being shared out anew: after the next join it is known whether the partitions are still ours. */
export const isRebalance = (error: unknown): boolean =>
  error instanceof Error && findErrorBy(error, 'needsRejoin', true) !== null;

/** Another process has joined by this one's instance id. */
export const isReplaced = (error: unknown): boolean =>
  error instanceof Error && findErrorBy(error, 'apiId', 'FENCED_INSTANCE_ID') !== null;

/** What another time may end otherwise: the network, timeouts, and what the broker itself says is a matter of time. */
export const isMatterOfTime = (error: unknown): boolean =>
  error instanceof Error &&
  (findErrorBy(error, 'canRetry', true) !== null || findErrorBy(error, 'hasStaleMetadata', true) !== null);

/** The error, and all that it came of. */
function* chainOf(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return;
  yield error;
  if (error instanceof AggregateError) for (const inner of error.errors as unknown[]) yield* chainOf(inner);
  yield* chainOf(error.cause);
}

/** No other time changes it. The client says of one in the middle of its errors only that the connection failed. */
export const isRefusedLogin = (error: unknown): boolean =>
  [...chainOf(error)].some((inner) => 'code' in inner && inner.code === 'PLT_KFK_AUTHENTICATION');

/** The reasons of an error, from what was done to what came in between. */
export const reasonOf = (error: unknown): string =>
  [...new Set([...chainOf(error)].map(({ message }) => message))].join(' ') || String(error);

/** The n-th pause, doubling. */
export const pauseMs = (attempt: number): number =>
  Math.min(kafkaBounds.retryPauseMs * 2 ** attempt, kafkaBounds.retryPauseMsMax);
