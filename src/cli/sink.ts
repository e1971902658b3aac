/** `holdfast sink`: decisions and labels from Kafka into ClickHouse. */
import { Command } from 'commander';
import { Registry } from 'prom-client';
import { openServer } from '../adapters/clickhouse/server.ts';
import { createClickHouseStore } from '../adapters/clickhouse/store.ts';
import { KafkaEventLog } from '../adapters/kafka/eventLog.ts';
import { connectionOf } from '../adapters/kafka/settings.ts';
import { createProbe } from '../api/probe.ts';
import { loadRoleEnvironment } from './roles/environment.ts';
import { endFor, roleLogger, startFailure, stopGracefully } from './roles/run.ts';
import { startSinks } from './roles/sinks.ts';

async function sink(): Promise<void> {
  const environment = loadRoleEnvironment('sink', ['kafka', 'clickhouse']);
  const logger = roleLogger(environment);
  try {
    const log = new KafkaEventLog({
      connection: connectionOf(environment.kafka),
      onLog: (severity, message, fields) => logger[severity]({ kafka: fields }, message),
      onOffsetOutOfRange: (topic, partition, from, to) =>
        logger.error({ topic, partition, from, to }, 'messages were deleted before they were read'),
    });
    const { client, database } = openServer(environment.clickhouse);
    const store = createClickHouseStore(client, { database, place: 'server', retention: environment.retention });
    const registry = new Registry();
    const sinks = startSinks({ log, store, registry, logger, onDead: endFor(logger, 'the sink has ended') });
    const probe = await createProbe({ service: { readiness: sinks.readiness }, metrics: registry });
    const address = await probe.listen({ host: environment.host, port: environment.port });
    process.stdout.write(`sinking, ${address}/readyz\n`);
    stopGracefully(logger, async () => {
      await sinks.stop();
      await probe.close();
      await log.close();
      await store.close();
    });
  } catch (error) {
    throw startFailure(error);
  }
}

export function sinkCommand(): Command {
  return new Command('sink').action(sink);
}
