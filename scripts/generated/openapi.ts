/** docs/openapi.json as the API serves it at /openapi.json. */
import { Registry } from 'prom-client';
import { createApi } from '../../src/api/app.ts';
import { createApiKeyVerifier } from '../../src/api/keys.ts';
import { productVersion } from '../../src/config/version.ts';
import type { AnalyticsStore } from '../../src/pipeline/ports.ts';
import type { DecisionService } from '../../src/pipeline/service.ts';

/** The document depends on the routes alone; nothing behind them is ever called. */
const neverCalled = (): Promise<never> => Promise.reject(new Error('the document needs no service'));

const service: DecisionService = {
  decide: neverCalled,
  get: neverCalled,
  explain: neverCalled,
  label: neverCalled,
  readiness: () => ({ ready: false, dependencies: [] }),
};
const analytics: AnalyticsStore = {
  migrate: neverCalled,
  insertBlock: neverCalled,
  findDecisions: neverCalled,
  summary: neverCalled,
  close: neverCalled,
};

export async function openApiDocument(): Promise<string> {
  const app = await createApi({
    service,
    analytics,
    keys: createApiKeyVerifier([]),
    metrics: new Registry(),
    version: productVersion(),
  });
  try {
    const answer = await app.inject({ method: 'GET', url: '/openapi.json' });
    return `${JSON.stringify(JSON.parse(answer.body), null, 2)}\n`;
  } finally {
    await app.close();
  }
}
