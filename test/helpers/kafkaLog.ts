/** The Kafka log on the run's shared broker, under names of its own. */
import { randomUUID } from 'node:crypto';
import type { KafkaLogOptions } from '../../src/adapters/kafka/options.ts';
import { KafkaEventLog } from '../../src/adapters/kafka/eventLog.ts';
import type { LogUnderTest } from '../conformance/eventLog.ts';
import { sharedKafka } from './services/shared.ts';

export const kafkaClients = ['kafkajs', 'platformatic'] as const;

export interface KafkaUnderTest extends LogUnderTest {
  readonly log: KafkaEventLog;
  readonly prefix: string;
  readonly brokers: string;
  reopen(): Promise<KafkaUnderTest>;
  /** Another process's log on the same topics. */
  another(changes: Partial<KafkaLogOptions>): Promise<KafkaUnderTest>;
}

async function over(options: KafkaLogOptions, brokers: string, prefix: string): Promise<KafkaUnderTest> {
  const log = new KafkaEventLog({ ...options, prefix, connection: { brokers: [brokers] } });
  await log.ping();
  return {
    log,
    prefix,
    brokers,
    async reopen() {
      await log.close();
      return over(options, brokers, prefix);
    },
    another: (changes) => over({ ...options, ...changes }, brokers, prefix),
    // The broker and all its topics end with the run.
    dispose: () => log.close(),
  };
}

export async function makeKafkaLog(
  options: Omit<KafkaLogOptions, 'connection' | 'prefix'> = {},
): Promise<KafkaUnderTest> {
  const brokers = await sharedKafka();
  return over({ ...options, connection: { brokers: [brokers] } }, brokers, `t-${randomUUID()}.`);
}
