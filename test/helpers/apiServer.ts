/** The API over real HTTP in this process, in front of the embedded system. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createApi } from '../../src/api/app.ts';
import { createApiKeyVerifier, hashApiKey } from '../../src/api/keys.ts';
import type { System, SystemOptions } from '../../src/cli/up/system.ts';
import { startSystem } from '../../src/cli/up/system.ts';
import type { ReleaseBundle } from '../../src/releases/bundle.ts';
import { readReleaseDirectory } from '../../src/releases/store.ts';
import { repository } from './cli.ts';

export interface ApiServer {
  readonly system: System;
  readonly api: FastifyInstance;
  readonly url: string;
  close(): Promise<void>;
}

/**
 * @param key the only API key
 * @param changes what the release is instead of the default one, and when to compare features, where that is not to be as usual
 */
export async function startApi(
  key: string,
  changes: {
    readonly bundle?: (bundle: ReleaseBundle) => ReleaseBundle;
    readonly parityTiming?: NonNullable<SystemOptions['parityTiming']>;
  } = {},
): Promise<ApiServer> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-api-'));
  const { bundle: change = (bundle) => bundle, ...others } = changes;
  const bundle = change(await readReleaseDirectory(join(repository, 'config/default')));
  const logger = pino({ level: 'silent' });
  const system = await startSystem({ dataDirectory: directory, bundle, logger, scoringThreads: 0, ...others });
  const api = await createApi({
    service: system.service,
    analytics: system.analytics,
    models: system.models,
    keys: createApiKeyVerifier([{ sha256: hashApiKey(key), tenantId: 'default' }]),
    metrics: system.registry,
    version: '0.0.0-test',
    consoleRoot: join(repository, 'dashboards/console'),
  });
  return {
    system,
    api,
    url: await api.listen({ host: '127.0.0.1', port: 0 }),
    async close() {
      await api.close();
      await system.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
