/** `holdfast sink`: decisions and labels from Kafka into ClickHouse. */
import { join } from 'node:path';
import { Command } from 'commander';
import { Registry } from 'prom-client';
import { openServer } from '../adapters/clickhouse/server.ts';
import { createClickHouseStore } from '../adapters/clickhouse/store.ts';
import { createProbe } from '../api/probe.ts';
import type { Environment } from '../config/env.ts';
import { liveSharedParity } from '../pipeline/parityJob.ts';
import { cpuMs, createShadowScorer, type ShadowScorer } from '../pipeline/shadow.ts';
import { withShadow } from '../pipeline/shadowStore.ts';
import { compileChallengers } from '../releases/compile.ts';
import { ReleaseStore } from '../releases/store.ts';
import { openKafka } from './openKafka.ts';
import { wholeNumber } from './options.ts';
import { registerParityCounters } from './parityCounters.ts';
import { releaseNamed } from './releaseNamed.ts';
import { loadRoleEnvironment } from './roles/environment.ts';
import { openPrograms } from './roles/programs.ts';
import { defaultRelease, endFor, roleLogger, runRole } from './roles/run.ts';
import { startSinkParity } from './roles/sinkParity.ts';
import { startSinks } from './roles/sinks.ts';
import { registerShadowGauges } from './shadowGauges.ts';

interface SinkOptions {
  readonly release: readonly string[];
  readonly paritySeconds: number;
}

const paritySecondsDefault = liveSharedParity.timing.intervalMs / 1000;
const paritySecondsMax = 86_400;

/** Challengers are in the releases that the sink was given; of any other release it inserts the decisions alone. */
async function openShadow(
  { dataDir, shadowShare }: Pick<Environment, 'dataDir' | 'shadowShare'>,
  named: readonly string[],
  onFailure: (error: unknown) => void,
): Promise<ShadowScorer> {
  const releases = new ReleaseStore(dataDir);
  for (const name of named) await releases.add(await releaseNamed(name, dataDir, join(dataDir, '..')));
  const known = new Set(releases.ids());
  return createShadowScorer({
    challengersOf: async (id) => (known.has(id) ? await compileChallengers(releases.read(id).bundle) : []),
    share: shadowShare,
    spentMs: cpuMs,
    onFailure,
  });
}

async function sink({ release, paritySeconds }: SinkOptions): Promise<void> {
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
    // Releases of roles beside this one are known too.
    const programOf = await openPrograms(join(environment.dataDir, '..'), [defaultRelease]);
    const sinks = startSinks({
      log,
      store: withShadow(store, shadow),
      registry,
      logger,
      onDead: endFor(logger, 'the sink has ended'),
    });
    opened.defer(() => sinks.stop());
    if (paritySeconds > 0) {
      const parity = startSinkParity({
        log,
        programOf,
        claimMs: environment.claimMs,
        everySeconds: paritySeconds,
        logger,
        onReport: (report, atMs) =>
          void store.recordParity({ atMs, report }).catch((error: unknown) => {
            logger.warn({ err: error }, 'ClickHouse does not take what the parity check found');
          }),
      });
      opened.defer(() => parity.stop());
      registerParityCounters(registry, () => parity.state());
    }
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
    .option(
      '--parity-seconds <n>',
      'between two checks of recorded features against the topics; 0 for none',
      wholeNumber(0, paritySecondsMax),
      paritySecondsDefault,
    )
    .action(sink);
}
