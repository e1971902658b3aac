/** The real engines that are configured, each asked once. One that is not configured is its embedded twin, and always there. */
import { KafkaEventLog } from '../../adapters/kafka/eventLog.ts';
import { connectionOf } from '../../adapters/kafka/settings.ts';
import { openServer } from '../../adapters/clickhouse/server.ts';
import { connectRedis } from '../../adapters/redis/connection.ts';
import type { Environment } from '../../config/env.ts';
import type { CheckResult } from './checks.ts';

const answerMs = 5_000;
const embedded = (what: string): CheckResult => ({ ok: true, detail: `embedded (${what} is not set)` });

export async function checkKafka({ kafka }: Environment): Promise<CheckResult> {
  if (kafka === undefined) return embedded('KAFKA_BROKERS');
  const log = new KafkaEventLog({ client: kafka.client, connection: connectionOf(kafka), createTopics: false });
  try {
    await log.ping();
    return { ok: true, detail: 'the cluster answers' };
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'unknown error';
    return { ok: false, detail, remedy: 'Start Kafka, or correct KAFKA_BROKERS and its TLS and SASL settings.' };
  } finally {
    await log.close();
  }
}

export async function checkRedis({ redis }: Environment): Promise<CheckResult> {
  if (redis === undefined) return embedded('REDIS_URL');
  let last = 'no answer in time';
  const connection = connectRedis({
    ...redis,
    onError: (error) => {
      last = error.message;
    },
  });
  try {
    if (await connection.whenReady(answerMs)) return { ok: true, detail: 'it answers' };
    return { ok: false, detail: last, remedy: 'Start Redis, or correct REDIS_URL and its user and password.' };
  } finally {
    await connection.close();
  }
}

export async function checkClickHouseServer({ clickhouse }: Environment): Promise<CheckResult> {
  if (clickhouse === undefined) return embedded('CLICKHOUSE_URL');
  const { client } = openServer({ ...clickhouse, requestMs: answerMs });
  try {
    // Unlike a ping, a query needs the login.
    await client.command({ query: 'SELECT 1' });
    return { ok: true, detail: 'the server answers' };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
    return {
      ok: false,
      detail: code,
      remedy: 'Start ClickHouse, or correct CLICKHOUSE_URL and its user and password.',
    };
  } finally {
    await client.close();
  }
}
