/** `holdfast sink`: decisions and labels from Kafka into ClickHouse. */
import { Command } from 'commander';
import { Registry } from 'prom-client';
import { openServer } from '../adapters/clickhouse/server.ts';
import { createClickHouseStore } from '../adapters/clickhouse/store.ts';
import { createProbe } from '../api/probe.ts';
import { openKafka } from './openKafka.ts';
import { loadRoleEnvironment } from './roles/environment.ts';
import { endFor, roleLogger, runRole } from './roles/run.ts';
import { startSinks } from './roles/sinks.ts';

async function sink(): Promise<void> {
  const environment = loadRoleEnvironment('sink', ['kafka', 'clickhouse']);
  const logger = roleLogger(environment);
  await runRole(logger, async (opened) => {
    const { client, database } = openServer(environment.clickhouse);
    const store = createClickHouseStore(client, { database, place: 'server', retention: environment.retention });
    opened.defer(() => store.close());
    const log = openKafka(environment.kafka, logger);
    opened.defer(() => log.close());
    const registry = new Registry();
    const sinks = startSinks({ log, store, registry, logger, onDead: endFor(logger, 'the sink has ended') });
    opened.defer(() => sinks.stop());
    const probe = await createProbe({ service: { readiness: sinks.readiness }, metrics: registry });
    opened.defer(() => probe.close());
    const address = await probe.listen({ host: environment.host, port: environment.port });
    process.stdout.write(`sinking, ${address}/readyz\n`);
  });
}

export function sinkCommand(): Command {
  return new Command('sink').action(sink);
}
