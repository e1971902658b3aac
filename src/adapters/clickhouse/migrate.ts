import type { ClickHouseClient } from '@clickhouse/client';
import { AnalyticsRefused } from '../../pipeline/analyticsErrors.ts';
import { run, select } from './client.ts';
import { type Migration, migrations } from './schema.ts';

/**
 * Brings the database to the newest schema, forward only, and answers the versions it applied. Refuses a database that is
 * newer than this program: writing into tables of an unknown shape would lose columns silently.
 */
export async function migrateDatabase(
  client: ClickHouseClient,
  database: string,
  all: readonly Migration[] = migrations,
): Promise<readonly number[]> {
  await run(client, `CREATE DATABASE IF NOT EXISTS ${database}`);
  await run(
    client,
    `CREATE TABLE IF NOT EXISTS ${database}.schema_migrations (version UInt32, name String, appliedAt DateTime64(3, 'UTC') DEFAULT now64(3))
     ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1`,
  );
  const rows = await select<{ version: number }>(
    client,
    `SELECT DISTINCT version FROM ${database}.schema_migrations`,
    {},
  );
  const applied = new Set(rows.map((row) => row.version));
  const newest = all.at(-1)?.version ?? 0;
  for (const version of applied) {
    if (version > newest)
      throw new AnalyticsRefused(`the analytics database has schema ${version}, this program knows ${newest}`);
  }
  const done: number[] = [];
  for (const migration of all) {
    if (applied.has(migration.version)) continue;
    for (const statement of migration.statements) await run(client, statement.replaceAll('{db}', database));
    const name = migration.name.replaceAll("'", "''");
    await run(
      client,
      `INSERT INTO ${database}.schema_migrations (version, name) VALUES (${migration.version}, '${name}')`,
    );
    done.push(migration.version);
  }
  return done;
}
