/**
 * The sums a minute. They are not added to but counted again from the raw rows, for each minute that a block touched, before
 * the block's position is moved: a crash in between, a redelivered block and one that overlaps another all end in the same
 * sums. (A materialised view sees inserts, not rows: a part lost after a view's part, or a row inserted to repair a block,
 * would be counted twice or never.)
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { run } from './client.ts';
import type { TableRows } from './rows.ts';
import { textField } from './tsv.ts';

const minuteMs = 60_000;
/** Runs of adjacent minutes counted by one statement; a live block has one run. */
const runsPerStatement = 200;
/** Tenants named in a statement; with more, all tenants' minutes are counted again, which is as right. */
const tenantsNamedMax = 100;
/** Memory of counting again; past it the sums go to disk. */
const rollUpBytesMax = 512 * 1024 * 1024;

/** Counts the minutes again that `condition` selects. */
function rollUpStatement(database: string, condition: string): string {
  return `INSERT INTO ${database}.decisions_per_minute
SELECT tenantId, ruleId, toStartOfMinute(decidedAt), count(), countIf(action = 'hold'),
  sumMap(map(currency, toInt128(amountMinor))),
  sumMapIf(map(currency, toInt128(amountMinor)), action = 'hold'),
  quantilesTDigestState(0.5, 0.9, 0.99)(latencyMicros)
FROM (
  SELECT tenantId, decidedAt, action, currency, amountMinor, latencyMicros,
    arrayJoin(arrayPushFront(arrayDistinct(rules), '')) AS ruleId
  FROM ${database}.decisions WHERE ${condition}
)
GROUP BY tenantId, ruleId, toStartOfMinute(decidedAt)
SETTINGS max_threads = 1, max_memory_usage = ${2 * rollUpBytesMax}, max_bytes_before_external_group_by = ${rollUpBytesMax}, async_insert = 0`;
}

/** Runs of adjacent minutes, as conditions on decidedAt that the table's order serves. */
function minuteRuns(rows: TableRows['rows']): readonly string[] {
  const sorted = [...new Set(rows.map((row) => Math.floor(row.timeMs / minuteMs)))].sort((a, b) => a - b);
  const runs: string[] = [];
  const at = (minute: number): string => `fromUnixTimestamp64Milli(${minute * minuteMs}, 'UTC')`;
  let first = 0;
  for (let i = 1; i <= sorted.length; i += 1) {
    const before = sorted[i - 1] ?? 0;
    if (sorted[i] === before + 1) continue;
    runs.push(`(decidedAt >= ${at(sorted[first] ?? 0)} AND decidedAt < ${at(before + 1)})`);
    first = i;
  }
  return runs;
}

/** Counts again every minute in which a row of `decisions` lies. */
export async function rollUp(client: ClickHouseClient, database: string, decisions: TableRows): Promise<void> {
  const tenants = [...new Set(decisions.rows.map((row) => row.tenantId))].map((tenant) => `'${textField(tenant)}'`);
  const ofTenants = tenants.length <= tenantsNamedMax ? `tenantId IN (${tenants.join(', ')}) AND ` : '';
  const runs = minuteRuns(decisions.rows);
  for (let start = 0; start < runs.length; start += runsPerStatement) {
    const minutes = runs.slice(start, start + runsPerStatement).join(' OR ');
    const statement = rollUpStatement(database, `${ofTenants}(${minutes})`);
    await run(client, statement);
  }
}
