import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { AnalyticsUnavailable } from '../../pipeline/analyticsErrors.ts';
import { select } from './client.ts';
import type { TableRow, TableRows } from './rows.ts';

/** Lines joined into one piece of the stream: few pieces, none so large that a copy of it hurts. */
const linesPerPiece = 500;
/** Rounds of looking for absent rows and inserting them; one is enough unless the engine fails in between. */
const repairRoundsMax = 3;
/** Payments asked for in one query when looking for absent rows, and the bytes of their ids: a server takes 128 KiB a parameter. */
const paymentsPerLookup = 2_000;
const lookupBytesMax = 48 * 1024;

function* pieces(rows: readonly TableRow[]): Generator<string> {
  for (let start = 0; start < rows.length; start += linesPerPiece) {
    let piece = '';
    const end = Math.min(start + linesPerPiece, rows.length);
    for (let i = start; i < end; i += 1) piece += rows[i]?.line ?? '';
    yield piece;
  }
}

/** A token is made of our own text; it is hashed, so that nothing of it can leave its quotes and its length is fixed. */
function tokenFor(table: string, token: string): string {
  return createHash('sha256').update(table).update('\u0000').update(token).digest('hex');
}

/**
 * Inserts rows into one table under a token: the same token again adds nothing (per monthly partition, each atomic).
 * `squashing` of the whole body into one block is what makes the token hold, hence the settings.
 */
export async function insertRows(
  client: ClickHouseClient,
  database: string,
  rows: TableRows,
  token: string,
): Promise<void> {
  if (rows.rows.length === 0) return;
  const { stream } = await client.exec({
    query:
      `INSERT INTO ${database}.${rows.table} (${rows.columns.join(', ')})` +
      ` SETTINGS insert_deduplicate = 1, insert_deduplication_token = '${tokenFor(rows.table, token)}',` +
      // The merge that follows makes the skip indexes: a small part is six of its twenty files smaller without them.
      ' materialize_skip_indexes_on_insert = 0,' +
      ' async_insert = 0, max_insert_threads = 1, input_format_parallel_parsing = 0, max_partitions_per_insert_block = 0' +
      ' FORMAT TabSeparated',
    values: Readable.from(pieces(rows.rows), { objectMode: false }),
  });
  // An answer that breaks off is no answer: the outcome is not known.
  await finished(stream.resume());
}

/** Runs of rows small enough for one lookup each. */
function* lookups(rows: readonly TableRow[]): Generator<readonly TableRow[]> {
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < rows.length; i += 1) {
    const idBytes = Buffer.byteLength(rows[i]?.paymentId ?? '') + 3;
    if (i > start && (bytes + idBytes > lookupBytesMax || i - start >= paymentsPerLookup)) {
      yield rows.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += idBytes;
  }
  if (start < rows.length) yield rows.slice(start);
}

/** The rows of a block that the table does not hold. Asks by payment, a bounded number at a time. */
async function missingRows(client: ClickHouseClient, database: string, rows: TableRows): Promise<readonly TableRow[]> {
  const missing: TableRow[] = [];
  for (const chunk of lookups(rows.rows)) {
    const times = chunk.map((row) => row.timeMs);
    const present = await select<{ rowKey: string }>(
      client,
      `SELECT DISTINCT ${rows.keyExpression} AS rowKey FROM ${database}.${rows.table}
       WHERE tenantId IN {tenantIds:Array(String)} AND paymentId IN {paymentIds:Array(String)}
         AND ${rows.timeColumn} >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC')
         AND ${rows.timeColumn} <= fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')`,
      {
        tenantIds: [...new Set(chunk.map((row) => row.tenantId))],
        paymentIds: [...new Set(chunk.map((row) => row.paymentId))],
        fromMs: Math.min(...times),
        toMs: Math.max(...times),
      },
    );
    const keys = new Set(present.map((row) => row.rowKey));
    for (const row of chunk) if (!keys.has(row.key)) missing.push(row);
  }
  return missing;
}

/**
 * Makes sure that every row is in the table exactly once, whatever became of an earlier attempt with the same token.
 *
 * The token alone is not enough after a crash: the engine writes the token into its log before it makes the part visible,
 * so a process killed between the two has a token without rows, and the retry would be dropped as a duplicate. Rows still
 * absent after the retry are therefore inserted under a token of their own.
 */
export async function insertSurely(
  client: ClickHouseClient,
  database: string,
  rows: TableRows,
  token: string,
): Promise<void> {
  if (rows.rows.length === 0) return;
  await insertRows(client, database, rows, token);
  for (let round = 1; round <= repairRoundsMax; round += 1) {
    const missing = await missingRows(client, database, rows);
    if (missing.length === 0) return;
    await insertRows(client, database, { ...rows, rows: missing }, `${token}:repair:${round}:${missing.length}`);
  }
  if ((await missingRows(client, database, rows)).length > 0) {
    throw new AnalyticsUnavailable(`rows of a block stay absent from ${rows.table} after ${repairRoundsMax} repairs`);
  }
}

/** The rows that the table lacks, and the token under which they go. */
async function absentRows(
  client: ClickHouseClient,
  database: string,
  rows: TableRows,
  token: string,
): Promise<{ readonly absent: TableRows; readonly ownToken: string }> {
  const missing = await missingRows(client, database, rows);
  const ownToken = missing.length === rows.rows.length ? token : `${token}:absent:${missing.length}`;
  return { absent: { ...rows, rows: missing }, ownToken };
}

/**
 * For a block that was never tried, but whose rows may be there already from other blocks: a decision can be in a log
 * twice. Inserts what the table does not hold, and does not look again.
 */
export async function insertNew(
  client: ClickHouseClient,
  database: string,
  rows: TableRows,
  token: string,
): Promise<void> {
  const { absent, ownToken } = await absentRows(client, database, rows, token);
  await insertRows(client, database, absent, ownToken);
}

/**
 * For blocks whose rows may be there already, inserted in blocks of other boundaries: inserts only what the table does not
 * hold yet. A block of which nothing is there goes under its own token, so that the same one inserted by another at the
 * same time adds nothing.
 */
export async function insertAbsent(
  client: ClickHouseClient,
  database: string,
  rows: TableRows,
  token: string,
): Promise<void> {
  const { absent, ownToken } = await absentRows(client, database, rows, token);
  await insertSurely(client, database, absent, ownToken);
}
