/**
 * Settings of the tables that depend on where they live, not on the schema. They are compared with what a table has and
 * changed where they differ, so that a data directory of an earlier version gets them too.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { run, select } from './client.ts';

export type TableSettings = Readonly<Record<string, number>>;

const tables = ['decisions', 'rule_hits', 'labels'] as const;

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

/** Brings the tables' settings to `wanted`; does nothing where they are so already. */
export async function applyTableSettings(
  client: ClickHouseClient,
  database: string,
  wanted: TableSettings,
): Promise<void> {
  const rows = await select<{ name: string; engine: string }>(
    client,
    'SELECT name, engine_full AS engine FROM system.tables WHERE database = {database:String} AND name IN {tables:Array(String)}',
    { database, tables: [...tables] },
  );
  for (const { name, engine } of rows) {
    const changes = differing(engine, wanted);
    if (changes.length > 0) await run(client, `ALTER TABLE ${database}.${name} MODIFY SETTING ${changes.join(', ')}`);
  }
}
