/**
 * The sums a minute. They are not added to but counted again from the raw rows, for each minute that a block touched, before
 * the block's position is moved: a crash in between, a redelivered block and one that overlaps another all end in the same
 * sums. (A materialised view sees inserts, not rows: a part lost after a view's part, or a row inserted to repair a block,
 * would be counted twice or never.)
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { run } from './client.ts';
import type { TableRows } from './rows.ts';

const minuteMs = 60_000;
/** Memory of counting again; past it the sums go to disk. */
const rollUpBytesMax = 512 * 1024 * 1024;

/** Counts the minutes again that `condition` selects; `{db}` is the database. */
function rollUpStatement(condition: string): string {
  return `INSERT INTO {db}.decisions_per_minute
SELECT tenantId, ruleId, toStartOfMinute(decidedAt), count(), countIf(action = 'hold'),
  sumMap(map(currency, toInt128(amountMinor))),
  sumMapIf(map(currency, toInt128(amountMinor)), action = 'hold'),
  quantilesTDigestState(0.5, 0.9, 0.99)(latencyMicros)
FROM (
  SELECT tenantId, decidedAt, action, currency, amountMinor, latencyMicros,
    arrayJoin(arrayPushFront(arrayDistinct(rules), '')) AS ruleId
  FROM {db}.decisions WHERE ${condition}
)
GROUP BY tenantId, ruleId, toStartOfMinute(decidedAt)
SETTINGS max_threads = 1, max_memory_usage = ${2 * rollUpBytesMax}, max_bytes_before_external_group_by = ${rollUpBytesMax}, async_insert = 0`;
}

/** Counts again every minute in which a row of `decisions` lies; each run of adjacent minutes in one statement. */
export async function rollUp(client: ClickHouseClient, database: string, decisions: TableRows): Promise<void> {
  const minutes = new Set(decisions.rows.map((row) => Math.floor(row.timeMs / minuteMs)));
  const sorted = [...minutes].sort((a, b) => a - b);
  let first = 0;
  for (let i = 1; i <= sorted.length; i += 1) {
    if (i < sorted.length && sorted[i] === (sorted[i - 1] ?? 0) + 1) continue;
    const from = `fromUnixTimestamp64Milli(${(sorted[first] ?? 0) * minuteMs}, 'UTC')`;
    const to = `fromUnixTimestamp64Milli(${((sorted[i - 1] ?? 0) + 1) * minuteMs}, 'UTC')`;
    const statement = rollUpStatement(`decidedAt >= ${from} AND decidedAt < ${to}`);
    await run(client, statement.replaceAll('{db}', database));
    first = i;
  }
}
