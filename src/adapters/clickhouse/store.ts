import type { ClickHouseClient } from '@clickhouse/client';
import { AnalyticsUnavailable, InvalidCursor } from '../../pipeline/analyticsErrors.ts';
import type { AnalyticsBlock, AnalyticsStore } from '../../pipeline/ports.ts';
import type { BlockStore } from '../../pipeline/sink.ts';
import { assertDatabaseName, select } from './client.ts';
import { createFeatureColumns } from './columns.ts';
import { findDecisions } from './find.ts';
import { insertAbsent, insertRows, insertSurely } from './insert.ts';
import { migrateDatabase } from './migrate.ts';
import { featureColumnsOf, tableRowsOf, type TableRows } from './rows.ts';
import { summarise } from './summary.ts';
import { applyTableSettings, embeddedSettings, type TableSettings } from './tableSettings.ts';

type InsertTable = (client: ClickHouseClient, database: string, rows: TableRows, token: string) => Promise<void>;

/**
 * The AnalyticsStore over a ClickHouse client, whether that speaks to a server or to the embedded engine. Owns the client:
 * `close` closes it.
 */
export function createClickHouseStore(
  client: ClickHouseClient,
  options: { readonly database?: string; readonly tableSettings?: TableSettings } = {},
): AnalyticsStore & BlockStore {
  const database = assertDatabaseName(options.database ?? 'holdfast');
  const ensureFeatureColumns = createFeatureColumns(client, database);

  async function insertWith(insertTable: InsertTable, block: AnalyticsBlock): Promise<void> {
    await ensureFeatureColumns(featureColumnsOf(block.rows));
    for (const rows of tableRowsOf(block)) await insertTable(client, database, rows, block.token);
  }

  /** What the engine refuses to read becomes the port's error; the caller's own mistakes stay what they are. */
  async function reading<Value>(read: Promise<Value>): Promise<Value> {
    try {
      return await read;
    } catch (error) {
      if (error instanceof InvalidCursor || error instanceof RangeError) throw error;
      throw new AnalyticsUnavailable('the analytics store could not answer', { cause: error });
    }
  }

  return {
    async migrate() {
      await migrateDatabase(client, database);
      await applyTableSettings(client, database, options.tableSettings ?? embeddedSettings);
    },
    insertBlock: (block) => insertWith(insertRows, block),
    insertAgain: (block) => insertWith(insertSurely, block),
    insertAbsent: (block) => insertWith(insertAbsent, block),
    async isEmpty() {
      const rows = await select<{ rows: number }>(
        client,
        `SELECT (SELECT count() FROM ${database}.decisions) + (SELECT count() FROM ${database}.labels) AS rows`,
        {},
      );
      return rows[0]?.rows === 0;
    },
    findDecisions: (filter) => reading(findDecisions(client, database, filter)),
    summary: (tenantId, fromMs, toMs, bucketMs) =>
      reading(summarise(client, database, { tenantId, fromMs, toMs }, bucketMs)),
    close: () => client.close(),
  };
}
