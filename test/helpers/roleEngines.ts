/** Kafka, Redis and ClickHouse for roles as processes; ClickHouse is an HTTP front over the embedded engine. */
import { keepServices } from '../../scripts/services/keep.ts';
import { KafkaEventLog } from '../../src/adapters/kafka/eventLog.ts';
import { type ClickHouseFront, startClickHouseFront } from './clickhouseFront.ts';

export interface RoleEngines {
  /** What tells the roles. */
  readonly environment: Readonly<Record<string, string>>;
  readonly front: ClickHouseFront;
  /** The test's own way to Kafka; its topics are there. */
  readonly log: KafkaEventLog;
  close(): Promise<void>;
}

export async function startRoleEngines(): Promise<RoleEngines> {
  const [services, front] = await Promise.all([keepServices(['kafka', 'redis']), startClickHouseFront()]);
  const { url, login } = front;
  const clickhouse = { CLICKHOUSE_URL: url, CLICKHOUSE_USER: login.user, CLICKHOUSE_PASSWORD: login.password };
  const log = new KafkaEventLog({ connection: { brokers: [services.environment['KAFKA_BROKERS'] ?? ''] } });
  await log.ping();
  return {
    environment: { ...services.environment, ...clickhouse },
    front,
    log,
    async close() {
      await log.close();
      await front.close();
      await services.stop();
    },
  };
}
