import type { ClickHouseClient } from '@clickhouse/client';
import type { DecisionFilter, DecisionListItem } from '../../pipeline/ports.ts';
import { type QueryParameters, select } from './client.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';

/** Rows of one page, at most. */
const findRowsMax = 1_000;

interface Where {
  readonly clauses: readonly string[];
  readonly parameters: QueryParameters;
}

interface DecisionRow {
  readonly decision: string;
  readonly payment: string;
  readonly paymentId: string;
  readonly decidedAtMs: number;
}

const at = (parameter: string): string => `fromUnixTimestamp64Milli({${parameter}:Int64}, 'UTC')`;

/** Each condition of the filter as a fixed piece of SQL and a bound parameter. */
function whereOf(filter: DecisionFilter): Where {
  const clauses = ['tenantId = {tenantId:String}'];
  const parameters: Record<string, string | number> = { tenantId: filter.tenantId };
  const add = (name: string, clause: string, value: string | number | undefined): void => {
    if (value === undefined) return;
    clauses.push(clause);
    parameters[name] = value;
  };
  add('fromMs', `decidedAt >= ${at('fromMs')}`, filter.fromMs);
  add('toMs', `decidedAt < ${at('toMs')}`, filter.toMs);
  add('action', 'action = {action:String}', filter.action);
  add('ruleId', 'has(rules, {ruleId:String})', filter.ruleId);
  add('customerId', 'customerId = {customerId:String}', filter.customerId);
  add('scoreMin', 'score >= {scoreMin:Float64}', filter.scoreMin);
  add('scoreMax', 'score <= {scoreMax:Float64}', filter.scoreMax);
  if (filter.cursor !== undefined) {
    const cursor = decodeCursor(filter.cursor);
    // Not a tuple comparison: the plain one on decidedAt lets the engine use the table's order.
    clauses.push(`decidedAt <= ${at('cursorMs')}`);
    clauses.push(`(decidedAt < ${at('cursorMs')} OR paymentId < {cursorPaymentId:String})`);
    parameters['cursorMs'] = cursor.decidedAtMs;
    parameters['cursorPaymentId'] = cursor.paymentId;
  }
  return { clauses, parameters };
}

/**
 * One page of decisions, newest decidedAt first, then paymentId (as bytes) descending. `next` is undefined on the last
 * page. Rows that arrive while a client pages are newer than its cursor, so no page repeats or skips a row.
 * @throws InvalidCursor
 */
export async function findDecisions(
  client: ClickHouseClient,
  database: string,
  filter: DecisionFilter,
): Promise<{ readonly items: readonly DecisionListItem[]; readonly next: string | undefined }> {
  const limit = Math.max(1, Math.min(Math.trunc(filter.limit), findRowsMax));
  const { clauses, parameters } = whereOf(filter);
  const rows = await select<DecisionRow>(
    client,
    `SELECT decision, payment, paymentId, toUnixTimestamp64Milli(decidedAt) AS decidedAtMs
     FROM ${database}.decisions WHERE ${clauses.join(' AND ')}
     ORDER BY decidedAt DESC, paymentId DESC LIMIT {limit:UInt32}`,
    { ...parameters, limit: limit + 1 },
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    items: page.map((row) => ({
      decision: JSON.parse(row.decision) as Record<string, unknown>,
      payment: JSON.parse(row.payment) as Record<string, unknown>,
    })),
    next: more ? encodeCursor({ decidedAtMs: last.decidedAtMs, paymentId: last.paymentId }) : undefined,
  };
}
