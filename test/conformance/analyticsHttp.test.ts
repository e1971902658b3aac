/** The analytics store over HTTP: against the embedded engine behind an HTTP front, as no ClickHouse server can be had here. */
import { createClickHouseStore } from '../../src/adapters/clickhouse/store.ts';
import { openServer } from '../../src/adapters/clickhouse/server.ts';
import { startClickHouseFront } from '../helpers/clickhouseFront.ts';
import { analyticsConformance } from './analytics.ts';

analyticsConformance('AnalyticsStore over HTTP', async () => {
  const front = await startClickHouseFront();
  const { client, database } = openServer({ url: front.url, ...front.login, database: 'over_http' });
  const store = createClickHouseStore(client, { database, place: 'server' });
  return {
    store,
    async end() {
      await store.close();
      await front.close();
    },
  };
});
