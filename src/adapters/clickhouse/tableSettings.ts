/**
 * Settings of the tables that depend on where they live, not on the schema. They are compared with what a table has and
 * changed where they differ, so that a data directory of an earlier version gets them too.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { run, select } from './client.ts';

export type TableSettings = Readonly<Record<string, number>>;

/** Time columns of the tables, by which they expire. */
const rawTables = {
  decisions: 'decidedAt',
  rule_hits: 'decidedAt',
  labels: 'labelledAt',
  shadow_scores: 'decidedAt',
  model_health: 'measuredAt',
  feature_parity: 'checkedAt',
  feature_mismatches: 'checkedAt',
} as const;
const rollUpTables = { decisions_per_minute: 'minute' } as const;
const timeColumns: Readonly<Record<string, string>> = { ...rawTables, ...rollUpTables };

/** How long rows are kept, months. */
export interface Retention {
  readonly rawMonths: number;
  readonly rollUpMonths: number;
}

export const defaultRetention: Retention = { rawMonths: 13, rollUpMonths: 60 };

/** Rows so near to their expiry are not inserted at all: they could be gone before the sink looks whether they are there. */
const expiryMarginMs = 60 * 60_000;

/** The oldest time of a row that is still worth inserting. */
export function keptFromMs({ rawMonths }: Retention, nowMs: number): number {
  const date = new Date(nowMs);
  return date.setUTCMonth(date.getUTCMonth() - rawMonths) + expiryMarginMs;
}

/** Rows expire with their whole part (a month's partition in the end): no merge rewrites a part for the sake of a few rows. */
const expirySettings: TableSettings = { ttl_only_drop_parts: 1, materialize_ttl_recalculate_only: 1 };

/**
 * A server's disk is not the journal's: a part reaches it before its insert is acknowledged, because the sink's position
 * in a remote log must never be ahead of the data.
 */
export const serverSettings: TableSettings = { fsync_after_insert: 1, fsync_part_directory: 1 };

/** Sources of a merge stay so long, until the kernel has surely written the merged part back (it does after 30 s). */
const oldPartsLifetimeSeconds = 240;

/**
 * The embedded engine shares its disk with the journal, which fsyncs on the path of each payment: a part has about 20
 * files, and each of their fsyncs can hold up the journal's. So nothing is fsynced here. A killed process loses nothing
 * by that; after a power loss the sink checks row by row what may be missing (sinkPositions.ts), and parts that were torn
 * are set aside instead of keeping the table shut.
 */
export const embeddedSettings: TableSettings = {
  fsync_after_insert: 0,
  fsync_part_directory: 0,
  old_parts_lifetime: oldPartsLifetimeSeconds,
  max_suspicious_broken_parts: 10_000,
  max_suspicious_broken_parts_bytes: 2 ** 40,
};

function differing(engine: string, wanted: TableSettings): string[] {
  const changes: string[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    const current = new RegExp(`\\b${name} = (\\d+)`).exec(engine)?.[1];
    if (current !== String(value)) changes.push(`${name} = ${value}`);
  }
  return changes;
}

/** Brings the tables' settings and expiry to what is wanted; does nothing where they are so already. */
export async function applyTableSettings(
  client: ClickHouseClient,
  database: string,
  wanted: TableSettings,
  retention: Retention,
): Promise<void> {
  const rows = await select<{ name: string; engine: string }>(
    client,
    'SELECT name, engine_full AS engine FROM system.tables WHERE database = {database:String} AND name IN {tables:Array(String)}',
    { database, tables: Object.keys(timeColumns) },
  );
  for (const { name, engine } of rows) {
    const changes = differing(engine, { ...wanted, ...expirySettings });
    if (changes.length > 0) await run(client, `ALTER TABLE ${database}.${name} MODIFY SETTING ${changes.join(', ')}`);
    const months = name in rawTables ? retention.rawMonths : retention.rollUpMonths;
    if (/toIntervalMonth\((\d+)\)/.exec(engine)?.[1] === String(months)) continue;
    const time = `toDateTime(${timeColumns[name]}, 'UTC')`;
    await run(client, `ALTER TABLE ${database}.${name} MODIFY TTL ${time} + INTERVAL ${months} MONTH`);
  }
}
