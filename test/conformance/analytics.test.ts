/** The embedded analytics store, as the main process uses it: through its own process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startAnalyticsChild } from '../../src/adapters/clickhouse/childClient.ts';
import { analyticsConformance } from './analytics.ts';

const entry = fileURLToPath(new URL('../integration/analytics/worker.ts', import.meta.url));

analyticsConformance('AnalyticsStore over chdb in a child process', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-analytics-'));
  const store = startAnalyticsChild({ dataDir, sink: false }, entry);
  await store.ready(60_000);
  return {
    store,
    async end() {
      await store.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
});
