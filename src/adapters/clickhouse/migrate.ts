import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { AnalyticsRefused } from '../../pipeline/analyticsErrors.ts';
import { run, select } from './client.ts';
import { type Migration, migrations } from './schema.ts';

export interface MigrationPlan {
  /** The newest version that was applied; 0 for none. */
  readonly current: number;
  readonly pending: readonly Migration[];
}

/** What a migration did, so that an edited one is noticed: another content under an applied version. */
function checksumOf(migration: Migration): string {
  return createHash('sha256')
    .update(JSON.stringify([migration.name, migration.statements]))
    .digest('hex');
}

interface AppliedRow {
  readonly version: number;
  /** Empty where the version that applied it kept none. */
  readonly checksum: string;
}

async function appliedOf(client: ClickHouseClient, database: string): Promise<readonly AppliedRow[]> {
  const columns = await select<{ name: string }>(
    client,
    `SELECT name FROM system.columns WHERE database = {database:String} AND table = 'schema_migrations'`,
    { database },
  );
  if (columns.length === 0) return [];
  const checksum = columns.some(({ name }) => name === 'checksum') ? 'checksum' : "''";
  return await select<AppliedRow>(
    client,
    `SELECT version, max(${checksum}) AS checksum FROM ${database}.schema_migrations GROUP BY version ORDER BY version`,
    {},
  );
}

/**
 * Compares the database with the migrations; changes nothing, and needs no more than the right to read.
 * @throws AnalyticsRefused for a database that is newer than this program, or in which an applied migration was another.
 */
export async function planMigrations(
  client: ClickHouseClient,
  database: string,
  all: readonly Migration[] = migrations,
): Promise<MigrationPlan> {
  const applied = await appliedOf(client, database);
  const newest = all.at(-1)?.version ?? 0;
  const current = applied.at(-1)?.version ?? 0;
  if (current > newest) {
    throw new AnalyticsRefused(
      `the analytics database has schema ${current}, this program knows ${newest}: use a newer Holdfast`,
    );
  }
  for (const { version, checksum } of applied) {
    const known = all.find((migration) => migration.version === version);
    if (known !== undefined && checksum !== '' && checksum !== checksumOf(known)) {
      throw new AnalyticsRefused(`migration ${version} of the analytics database is not the one this program knows`);
    }
  }
  const done = new Set(applied.map(({ version }) => version));
  return { current, pending: all.filter(({ version }) => !done.has(version)) };
}

/**
 * Brings the database to the newest schema, forward only, and answers the versions it applied. Two at once do no harm: each
 * statement can be run twice, and so can its record.
 * @throws AnalyticsRefused as `planMigrations`
 */
export async function migrateDatabase(
  client: ClickHouseClient,
  database: string,
  all: readonly Migration[] = migrations,
): Promise<readonly number[]> {
  const { current, pending } = await planMigrations(client, database, all);
  if (pending.length === 0) return [];
  await run(client, `CREATE DATABASE IF NOT EXISTS ${database}`);
  await run(
    client,
    `CREATE TABLE IF NOT EXISTS ${database}.schema_migrations (version UInt32, name String, appliedAt DateTime64(3, 'UTC') DEFAULT now64(3))
     ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1`,
  );
  await run(client, `ALTER TABLE ${database}.schema_migrations ADD COLUMN IF NOT EXISTS checksum String`);
  for (const migration of pending) {
    const { statements, freshStatements } = migration;
    const chosen = current === 0 ? (freshStatements ?? statements) : statements;
    for (const statement of chosen) await run(client, statement.replaceAll('{db}', database));
    const name = migration.name.replaceAll("'", "''");
    await run(
      client,
      `INSERT INTO ${database}.schema_migrations (version, name, checksum) VALUES (${migration.version}, '${name}', '${checksumOf(migration)}')`,
    );
  }
  return pending.map(({ version }) => version);
}
