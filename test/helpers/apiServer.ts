/** The API over real HTTP in this process, in front of the embedded system. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createApi } from '../../src/api/app.ts';
import { createApiKeyVerifier, hashApiKey } from '../../src/api/keys.ts';
import type { System } from '../../src/cli/up/system.ts';
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
 * @param change what the release is instead of the default one
 */
export async function startApi(
  key: string,
  change: (bundle: ReleaseBundle) => ReleaseBundle = (bundle) => bundle,
): Promise<ApiServer> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-api-'));
  const bundle = change(await readReleaseDirectory(join(repository, 'config/default')));
  const logger = pino({ level: 'silent' });
  const system = await startSystem({ dataDirectory: directory, bundle, logger, scoringThreads: 0 });
  const api = await createApi({
    service: system.service,
    analytics: system.analytics,
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
