/** `holdfast up`: everything in one process tree, embedded, with simulated payments unless they are not wanted. */
import { resolve } from 'node:path';
import closeWithGrace from 'close-with-grace';
import { Command } from 'commander';
import type { Logger } from 'pino';
import { pino } from 'pino';
import { createApi } from '../api/app.ts';
import { DataDirectoryInUse, SchemaTooNew } from '../adapters/sqlite/open.ts';
import type { Environment } from '../config/env.ts';
import { loadEmbeddedEnvironment } from '../config/env.ts';
import { failed, wrongUsage } from '../config/exit.ts';
import { productVersion } from '../config/version.ts';
import { releaseFailure, releaseNamed } from './releaseNamed.ts';
import { endFor } from './roles/run.ts';
import { startDemo } from './up/demo.ts';
import { openKeys } from './up/keys.ts';
import type { Keys } from './up/keys.ts';
import { startLiveLine } from './up/liveLine.ts';
import type { System } from './up/system.ts';
import { startSystem } from './up/system.ts';

const root = resolve(import.meta.dirname, '../..');
const defaultRelease = resolve(root, 'config/default');
const consoleRoot = resolve(root, 'dashboards/console');
/** A stop that takes longer is cut off; everything answered is durable all the same. */
const stopMsMax = 20_000;

interface UpOptions {
  readonly demo: boolean;
  readonly release: string;
}

/** Sentences instead of stack traces for what a user can cause. */
function startFailure(error: unknown): unknown {
  if (error instanceof DataDirectoryInUse || error instanceof SchemaTooNew) return failed(error.message);
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return wrongUsage('The port is in use: stop the other program, or set HOLDFAST_PORT to a free one (0 takes any).');
  }
  return releaseFailure(error);
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

async function start(system: System, environment: Environment, keys: Keys, logger: Logger, demo: boolean) {
  const api = await createApi({
    service: system.service,
    analytics: system.analytics,
    keys: keys.verifier,
    metrics: system.registry,
    version: productVersion(),
    consoleRoot,
    logger,
  });
  const address = await api.listen({ host: environment.host, port: environment.port });
  greet(address, environment, keys, demo);
  const stopDemo = demo
    ? startDemo(system.embedded.log, system.backlog, (error) => logger.error({ err: error }, 'the demo feed failed'))
    : () => Promise.resolve();
  const stopLine = startLiveLine(process.stdout, { figures: () => system.metrics.snapshot(), backlog: system.backlog });
  return async () => {
    stopLine();
    await stopDemo();
    await api.close();
    await system.close();
  };
}

async function up(options: UpOptions): Promise<void> {
  const environment = loadEmbeddedEnvironment();
  const logger = pino({ level: environment.logLevel }, pino.destination(2));
  try {
    const bundle = await releaseNamed(options.release, environment.dataDir);
    const system = await startSystem({
      dataDirectory: environment.dataDir,
      bundle,
      logger,
      engines: environment,
      onDead: endFor(logger, 'a stream from Kafka has ended'),
    });
    const keys = openKeys(environment.dataDir, environment.bootstrapKey);
    const stop = await start(system, environment, keys, logger, options.demo).catch(async (error: unknown) => {
      await system.close();
      throw error;
    });
    closeWithGrace({ delay: stopMsMax, logger: false }, async ({ err }) => {
      if (err !== undefined) logger.fatal({ err }, 'stopping after an error that nothing handled');
      await stop();
    });
  } catch (error) {
    throw startFailure(error);
  }
}

export function upCommand(): Command {
  return new Command('up')
    .option('--no-demo', 'do not feed simulated payments')
    .option('--release <id or directory>', 'the release to decide with', defaultRelease)
    .action(up);
}
