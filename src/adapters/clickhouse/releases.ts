/** Releases by id, for every process that has to explain a decision of one it never ran. They are few, and kept for good. */
import type { ClickHouseClient } from '@clickhouse/client';
import { select } from './client.ts';

export async function findRelease(client: ClickHouseClient, database: string, id: string): Promise<string | undefined> {
  const rows = await select<{ release: string }>(
    client,
    `SELECT release FROM ${database}.releases WHERE releaseId = {id:String} LIMIT 1`,
    { id },
  );
  return rows[0]?.release;
}

/** Keeps it, once. */
export async function keepRelease(
  client: ClickHouseClient,
  database: string,
  id: string,
  release: string,
): Promise<void> {
  if ((await findRelease(client, database, id)) !== undefined) return;
  await client.insert({ table: `${database}.releases`, format: 'JSONEachRow', values: [{ releaseId: id, release }] });
}
