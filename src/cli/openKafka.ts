/** Kafka as everything that works on it for long opens it: what the client says goes to the log. */
import type { Logger } from 'pino';
import { KafkaEventLog } from '../adapters/kafka/eventLog.ts';
import { connectionOf } from '../adapters/kafka/settings.ts';
import type { KafkaSettings } from '../config/kafka.ts';

/** @throws Error when the file with the certificates cannot be read */
export function openKafka(settings: KafkaSettings, logger: Logger): KafkaEventLog {
  return new KafkaEventLog({
    client: settings.client,
    ...(settings.groupInstanceId === undefined ? {} : { groupInstanceId: settings.groupInstanceId }),
    connection: connectionOf(settings),
    onLog: (severity, message, fields) => logger[severity]({ kafka: fields }, message),
    onOffsetOutOfRange: (topic, partition, from, to) =>
      logger.error({ topic, partition, from, to }, 'messages were deleted before they were read'),
  });
}
