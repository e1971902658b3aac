import type { ClickHouseClient } from '@clickhouse/client';
import { compareModels } from '../../models/monitoring/comparison.ts';
import { healthOf } from '../../models/monitoring/health.ts';
import type { DecisionArchive } from '../../pipeline/archive.ts';
import type { ModelAnalytics } from '../../pipeline/modelAnalytics.ts';
import type { AnalyticsBlock, AnalyticsStore } from '../../pipeline/ports.ts';
import type { PartitionRange, PartitionStore } from '../../pipeline/partitionSink.ts';
import type { BlockStore } from '../../pipeline/sinkBlock.ts';
import type { ReleaseShelf } from '../../releases/sharedReleases.ts';
import { findLabels, findRecords } from './archive.ts';
import { assertDatabaseName, select } from './client.ts';
import { createFeatureColumns } from './columns.ts';
import { isLostConnection, storeFailure } from './failures.ts';
import { findDecisions } from './find.ts';
import { insertAbsent, insertNew, insertRows, insertSurely } from './insert.ts';
import { migrateDatabase } from './migrate.ts';
import { parityOf, recordHealth, recordParity } from './modelRecords.ts';
import { comparedRows, outcomesOf } from './outcomes.ts';
import { populationOf } from './population.ts';
import { findRelease, keepRelease } from './releases.ts';
import { rollUp } from './rollUp.ts';
import { featureColumnsOf, tableRowsOf, type TableRows } from './rows.ts';
import { beginRange, rangesFrom } from './sinkRanges.ts';
import { summarise } from './summary.ts';
import {
  applyTableSettings,
  defaultRetention,
  embeddedSettings,
  keptFromMs,
  type Retention,
  serverSettings,
} from './tableSettings.ts';

/** Between two resamples other requests get their turn. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type InsertTable = (client: ClickHouseClient, database: string, rows: TableRows, token: string) => Promise<void>;

/** What the sinks need beside the port. */
export interface ClickHouseStore
  extends AnalyticsStore,
    ModelAnalytics,
    BlockStore,
    PartitionStore,
    DecisionArchive,
    ReleaseShelf {
  insertBlock(block: AnalyticsBlock): Promise<void>;
}

export interface StoreOptions {
  /** A plain identifier; `holdfast` unless told. */
  readonly database?: string;
  /** Whose disk the tables are on: the embedded engine's is the journal's too. `embedded` unless told. */
  readonly place?: 'embedded' | 'server';
  readonly retention?: Retention | undefined;
}

/**
 * The AnalyticsStore over a ClickHouse client, whether that speaks to a server or to the embedded engine. Owns the client:
 * `close` closes it.
 */
export function createClickHouseStore(client: ClickHouseClient, options: StoreOptions = {}): ClickHouseStore {
  const database = assertDatabaseName(options.database ?? 'holdfast');
  const ensureFeatureColumns = createFeatureColumns(client, database);

  async function insertWith(insertTable: InsertTable, block: AnalyticsBlock): Promise<void> {
    await ensureFeatureColumns(featureColumnsOf(block.rows));
    const fromMs = keptFromMs(options.retention ?? defaultRetention, Date.now());
    const tables = tableRowsOf(block).map((rows) => ({
      ...rows,
      rows: rows.rows.filter((row) => row.timeMs >= fromMs),
    }));
    for (const rows of tables) await insertTable(client, database, rows, block.token);
    for (const rows of tables) if (rows.table === 'decisions') await rollUp(client, database, rows);
  }

  async function telling<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      throw storeFailure(error);
    }
  }

  /** A read can be asked twice: a socket that the server was just closing must not be seen as a store that is away. */
  function reading<Value>(read: () => Promise<Value>): Promise<Value> {
    return telling(async () => {
      try {
        return await read();
      } catch (error) {
        if (!isLostConnection(error)) throw error;
        return await read();
      }
    });
  }

  return {
    migrate: () =>
      telling(async () => {
        await migrateDatabase(client, database);
        await applyTableSettings(
          client,
          database,
          options.place === 'server' ? serverSettings : embeddedSettings,
          options.retention ?? defaultRetention,
        );
      }),
    insertBlock: (block) => telling(() => insertWith(insertRows, block)),
    insertAgain: (block) => telling(() => insertWith(insertSurely, block)),
    insertAbsent: (block) => telling(() => insertWith(insertAbsent, block)),
    insertNew: (block) => telling(() => insertWith(insertNew, block)),
    rangesFrom: (topic, partition, offset) => reading(() => rangesFrom(client, database, { topic, partition, offset })),
    beginRange: (range: PartitionRange) => telling(() => beginRange(client, database, range)),
    isEmpty: () =>
      reading(async () => {
        const rows = await select<{ rows: number }>(
          client,
          `SELECT (SELECT count() FROM ${database}.decisions) + (SELECT count() FROM ${database}.labels) AS rows`,
          {},
        );
        return rows[0]?.rows === 0;
      }),
    findDecisions: (filter) => reading(() => findDecisions(client, database, filter)),
    findRecords: (tenantId, paymentIds, namesOf) =>
      reading(() => findRecords(client, database, tenantId, paymentIds, namesOf)),
    findLabels: (tenantId, paymentId) => reading(() => findLabels(client, database, tenantId, paymentId)),
    findRelease: (id) => reading(() => findRelease(client, database, id)),
    keepRelease: (id, release) => telling(() => keepRelease(client, database, id, release)),
    summary: (tenantId, fromMs, toMs, bucketMs) =>
      reading(() => summarise(client, database, { tenantId, fromMs, toMs }, bucketMs)),
    modelHealth: (query) =>
      reading(async () => {
        const counts = await populationOf(client, database, query);
        return healthOf(counts, await outcomesOf(client, database, query), query.reference);
      }),
    modelComparison: (query) =>
      reading(async () => {
        const { rows, known } = await comparedRows(client, database, query);
        return {
          known,
          rows: rows.frauds.length,
          frauds: rows.frauds.reduce((sum, fraud) => sum + fraud, 0),
          customers: rows.clusterCount,
          models: await compareModels(rows, query.seed, nextTurn),
        };
      }),
    recordHealth: (record) => telling(() => recordHealth(client, database, record)),
    recordParity: (record) => telling(() => recordParity(client, database, record)),
    parityOf: (window) => reading(() => parityOf(client, database, window)),
    close: () => client.close(),
  };
}
