/** `holdfast serve`: the API and the console over Kafka, Redis and ClickHouse. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { createApi } from '../api/app.ts';
import { productVersion } from '../config/version.ts';
import { AnalyticsUnavailable } from '../pipeline/analyticsErrors.ts';
import type { ModelAnalytics } from '../pipeline/modelAnalytics.ts';
import { createModelsService } from '../pipeline/models.ts';
import type { AnalyticsStore } from '../pipeline/ports.ts';
import { startModelGauges } from './modelGauges.ts';
import { serveWaits } from './roles/composeDecider.ts';
import { decidingCommand, type Starting } from './roles/decidingRole.ts';
import { openKeys } from './up/keys.ts';

const consoleRoot = resolve(import.meta.dirname, '../../dashboards/console');

/** Without a server there are no lists and no numbers; decisions do not need it. */
function withoutAnalytics(): AnalyticsStore & ModelAnalytics {
  const unavailable = (): Promise<never> => Promise.reject(new AnalyticsUnavailable('CLICKHOUSE_URL is not set'));
  return {
    migrate: unavailable,
    insertBlock: unavailable,
    findDecisions: unavailable,
    summary: unavailable,
    modelHealth: unavailable,
    modelComparison: unavailable,
    recordHealth: unavailable,
    recordParity: unavailable,
    parityOf: unavailable,
    close: () => Promise.resolve(),
  };
}

async function start({ environment, decider, logger, opened }: Starting): Promise<void> {
  const analytics = decider.analytics ?? withoutAnalytics();
  // Features are compared by the sink, which writes down what it finds.
  const models = createModelsService({ release: decider.release, analytics, parity: () => undefined });
  const gauges = startModelGauges(decider.registry, models);
  opened.defer(() => gauges.stop());
  const api = await createApi({
    service: decider.service,
    analytics,
    models,
    keys: openKeys(environment.dataDir, environment.bootstrapKey).verifier,
    metrics: decider.registry,
    version: productVersion(),
    consoleRoot,
    logger,
  });
  opened.defer(() => api.close());
  const address = await api.listen({ host: environment.host, port: environment.port });
  process.stdout.write(`serving ${address}\n`);
}

export const serveCommand = (): Command => decidingCommand({ role: 'serve', waits: serveWaits, start });
