/** `holdfast serve`: the API and the console over Kafka, Redis and ClickHouse. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Logger } from 'pino';
import { createClickHouseStore } from '../adapters/clickhouse/store.ts';
import { openServer } from '../adapters/clickhouse/server.ts';
import { createApi } from '../api/app.ts';
import type { Environment } from '../config/env.ts';
import { productVersion } from '../config/version.ts';
import { AnalyticsUnavailable } from '../pipeline/analyticsErrors.ts';
import type { AnalyticsStore } from '../pipeline/ports.ts';
import { type Decider, openDecider } from './roles/decider.ts';
import { loadRoleEnvironment, type RoleEnvironment } from './roles/environment.ts';
import { bundleOf, defaultRelease, roleLogger, startFailure, startOn, stopGracefully } from './roles/run.ts';
import { openKeys } from './up/keys.ts';

const consoleRoot = resolve(import.meta.dirname, '../../dashboards/console');
/** Somebody waits for the answer: Redis and Kafka get the smaller part of the default deadline of 100 ms. */
const redisMs = 25;
const spoolAfterMs = 40;

/** Without a server there are no lists and no numbers; decisions do not need it. */
function analyticsOf({ clickhouse, retention }: Environment): AnalyticsStore {
  if (clickhouse !== undefined) {
    const { client, database } = openServer(clickhouse);
    return createClickHouseStore(client, { database, place: 'server', retention });
  }
  const unavailable = (): Promise<never> => Promise.reject(new AnalyticsUnavailable('CLICKHOUSE_URL is not set'));
  return {
    migrate: unavailable,
    insertBlock: unavailable,
    findDecisions: unavailable,
    summary: unavailable,
    close: () => Promise.resolve(),
  };
}

async function run(environment: RoleEnvironment<'kafka' | 'redis'>, decider: Decider, logger: Logger): Promise<void> {
  const analytics = analyticsOf(environment);
  const api = await createApi({
    service: decider.service,
    analytics,
    keys: openKeys(environment.dataDir, environment.bootstrapKey).verifier,
    metrics: decider.registry,
    version: productVersion(),
    consoleRoot,
    logger,
  });
  const address = await api.listen({ host: environment.host, port: environment.port });
  process.stdout.write(`serving ${address}\n`);
  stopGracefully(logger, async () => {
    await api.close();
    await decider.close();
    await analytics.close();
  });
}

async function serve({ release }: { readonly release: string }): Promise<void> {
  const environment = loadRoleEnvironment('serve', ['kafka', 'redis']);
  const logger = roleLogger(environment);
  try {
    const bundle = await bundleOf(release, environment.dataDir);
    const decider = await openDecider({ environment, bundle, logger, redisMs, spoolAfterMs });
    await startOn(decider, () => run(environment, decider, logger));
  } catch (error) {
    throw startFailure(error);
  }
}

export function serveCommand(): Command {
  return new Command('serve')
    .option('--release <id or directory>', 'the release to decide with', defaultRelease)
    .action(serve);
}
