import type { ClickHouseClient } from '@clickhouse/client';
import { AnalyticsRefused } from '../../pipeline/analyticsErrors.ts';
import { quoteName, run, select } from './client.ts';

/** Columns that releases may add over time; past it a release is refused rather than the table made unusable. */
const featureColumnsMax = 1_000;

/**
 * Adds the columns of features that no release brought before. Old rows read NULL there: they were decided without the
 * feature. Columns are never removed, so that a report over old decisions keeps working.
 */
export function createFeatureColumns(
  client: ClickHouseClient,
  database: string,
): (names: readonly string[]) => Promise<void> {
  let known: Set<string> | undefined;
  return async function ensureFeatureColumns(names) {
    if (known !== undefined && names.every((name) => known?.has(name))) return;
    const rows = await select<{ name: string }>(
      client,
      `SELECT name FROM system.columns WHERE database = {database:String} AND table = 'decisions'`,
      { database },
    );
    known = new Set(rows.map((row) => row.name));
    const added = names.filter((name) => !known?.has(name));
    if (added.length === 0) return;
    if (known.size + added.length > featureColumnsMax) {
      throw new AnalyticsRefused(`decisions would have more than ${featureColumnsMax} columns`);
    }
    const clauses = added.map((name) => `ADD COLUMN IF NOT EXISTS ${quoteName(name)} Nullable(Float64) CODEC(ZSTD(1))`);
    await run(client, `ALTER TABLE ${database}.decisions ${clauses.join(', ')}`);
    for (const name of added) known.add(name);
  };
}
