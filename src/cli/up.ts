/** `holdfast up`: everything in one process tree, embedded, with simulated payments unless they are not wanted. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { createApi } from '../api/app.ts';
import type { Environment } from '../config/env.ts';
import { loadEmbeddedEnvironment } from '../config/env.ts';
import { productVersion } from '../config/version.ts';
import { releaseNamed } from './releaseNamed.ts';
import { defaultRelease, endFor, roleLogger, runRole } from './roles/run.ts';
import { startDemo } from './up/demo.ts';
import { openKeys } from './up/keys.ts';
import type { Keys } from './up/keys.ts';
import { startLiveLine } from './up/liveLine.ts';
import type { System } from './up/system.ts';
import { startSystem } from './up/system.ts';

const consoleRoot = resolve(import.meta.dirname, '../../dashboards/console');

interface UpOptions {
  readonly demo: boolean;
  readonly release: string;
}

function greet(address: string, environment: Environment, { madeKey }: Keys, demo: boolean): void {
  const key = madeKey ?? '$HOLDFAST_BOOTSTRAP_KEY';
  const login = madeKey === undefined ? `${address}/` : `${address}/#key=${madeKey}`;
  const keyLine = madeKey === undefined ? 'the one given as HOLDFAST_BOOTSTRAP_KEY' : madeKey;
  const payment = {
    paymentId: `try-${Date.now()}`,
    occurredAt: new Date().toISOString(),
    amountMinor: 1250,
    currency: 'EUR',
    customerId: 'customer-1',
    country: 'DE',
  };
  process.stdout.write(
    [
      '',
      `  Console   ${login}`,
      `  API key   ${keyLine}`,
      `  API       ${address}/docs`,
      `  Data      ${resolve(environment.dataDir)}`,
      `  Payments  ${demo ? 'simulated, with fraud in them (stop that with --no-demo)' : 'none but yours'}`,
      '',
      '  Try one:',
      `  curl -s ${address}/v1/decisions -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' \\`,
      `    -d '${JSON.stringify(payment)}'`,
      '',
      '',
    ].join('\n'),
  );
}

async function up({ demo, release }: UpOptions): Promise<void> {
  const environment = loadEmbeddedEnvironment();
  const logger = roleLogger(environment);
  await runRole(logger, async (opened) => {
    const system = await startSystem({
      dataDirectory: environment.dataDir,
      bundle: await releaseNamed(release, environment.dataDir),
      logger,
      engines: environment,
      binding: environment.models,
      onDead: endFor(logger, 'a stream from Kafka has ended'),
    });
    opened.defer(() => system.close());
    const keys = openKeys(environment.dataDir, environment.bootstrapKey);
    const api = await createApi({
      service: system.service,
      analytics: system.analytics,
      models: system.models,
      keys: keys.verifier,
      metrics: system.registry,
      version: productVersion(),
      consoleRoot,
      logger,
    });
    opened.defer(() => api.close());
    const address = await api.listen({ host: environment.host, port: environment.port });
    greet(address, environment, keys, demo);
    if (demo) {
      const failed = (error: unknown): void => logger.error({ err: error }, 'the demo feed failed');
      opened.defer(startDemo(system.embedded.log, system.backlog, failed));
    }
    const figures = (): ReturnType<System['metrics']['snapshot']> => system.metrics.snapshot();
    opened.defer(startLiveLine(process.stdout, { figures, backlog: system.backlog }));
  });
}

export function upCommand(): Command {
  return new Command('up')
    .option('--no-demo', 'do not feed simulated payments')
    .option('--release <id or directory>', 'the release to decide with', defaultRelease)
    .action(up);
}
