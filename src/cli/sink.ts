/** `holdfast sink`: decisions and labels from Kafka into ClickHouse. */
import { Command } from 'commander';
import { Registry } from 'prom-client';
import { openServer } from '../adapters/clickhouse/server.ts';
import { createClickHouseStore } from '../adapters/clickhouse/store.ts';
import { createProbe } from '../api/probe.ts';
import type { Environment } from '../config/env.ts';
import { cpuMs, createShadowScorer, type ShadowScorer } from '../pipeline/shadow.ts';
import { withShadow } from '../pipeline/shadowStore.ts';
import { compileChallengers } from '../releases/compile.ts';
import { ReleaseStore } from '../releases/store.ts';
import { openKafka } from './openKafka.ts';
import { releaseNamed } from './releaseNamed.ts';
import { loadRoleEnvironment } from './roles/environment.ts';
import { endFor, roleLogger, runRole } from './roles/run.ts';
import { startSinks } from './roles/sinks.ts';
import { registerShadowGauges } from './shadowGauges.ts';

interface SinkOptions {
  readonly release: readonly string[];
}

/** Challengers are in the releases that the sink was given; of any other release it inserts the decisions alone. */
async function openShadow(
  { dataDir, shadowShare }: Pick<Environment, 'dataDir' | 'shadowShare'>,
  named: readonly string[],
  onFailure: (error: unknown) => void,
): Promise<ShadowScorer> {
  const releases = new ReleaseStore(dataDir);
  for (const name of named) await releases.add(await releaseNamed(name, dataDir));
  const known = new Set(releases.ids());
  return createShadowScorer({
    challengersOf: async (id) => (known.has(id) ? await compileChallengers(releases.read(id).bundle) : []),
    share: shadowShare,
    spentMs: cpuMs,
    onFailure,
  });
}

async function sink({ release }: SinkOptions): Promise<void> {
  const environment = loadRoleEnvironment('sink', ['kafka', 'clickhouse']);
  const logger = roleLogger(environment);
  await runRole(logger, async (opened) => {
    const { client, database } = openServer(environment.clickhouse);
    const store = createClickHouseStore(client, { database, place: 'server', retention: environment.retention });
    opened.defer(() => store.close());
    const log = openKafka(environment.kafka, logger);
    opened.defer(() => log.close());
    const registry = new Registry();
    const shadow = await openShadow(environment, release, (error) =>
      logger.warn({ err: error }, 'a challenger was not scored'),
    );
    registerShadowGauges(registry, () => shadow.stats());
    const sinks = startSinks({
      log,
      store: withShadow(store, shadow),
      registry,
      logger,
      onDead: endFor(logger, 'the sink has ended'),
    });
    opened.defer(() => sinks.stop());
    const probe = await createProbe({ service: { readiness: sinks.readiness }, metrics: registry });
    opened.defer(() => probe.close());
    const address = await probe.listen({ host: environment.host, port: environment.port });
    process.stdout.write(`sinking, ${address}/readyz\n`);
  });
}

export function sinkCommand(): Command {
  return new Command('sink')
    .option(
      '--release <id or directory>',
      'a release whose challengers are scored; may be given again',
      (name: string, before: readonly string[]) => [...before, name],
      [],
    )
    .action(sink);
}
