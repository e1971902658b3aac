/** From the environment's settings to a connection. */
import { readFileSync } from 'node:fs';
import type { KafkaSettings } from '../../config/kafka.ts';
import type { KafkaConnection } from './options.ts';

/** @throws Error when the file with the certificates cannot be read */
export function connectionOf({ brokers, tls, sasl }: Pick<KafkaSettings, 'brokers' | 'tls' | 'sasl'>): KafkaConnection {
  return {
    brokers,
    ...(tls === undefined ? {} : { tls: tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile, 'utf8') } }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}
