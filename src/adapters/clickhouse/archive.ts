/** Decisions and labels by payment id, as they were recorded; for when nobody remembers them but the tables. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Label } from '../../domain/label.ts';
import type { DecisionRecord } from '../../pipeline/ports.ts';
import { select } from './client.ts';
import { featureColumn } from './rows.ts';

/** Ids in one query: of the longest a server takes not many more in a parameter. */
const idsPerQueryMax = 64;
/** Labels of one payment. */
const labelsMax = 256;

interface ArchivedRow extends Readonly<Record<string, unknown>> {
  readonly paymentId: string;
  readonly releaseId: string;
  readonly decision: string;
  readonly payment: string;
  readonly recordedAtMs: number;
  readonly featureBounds: Readonly<Record<string, number>>;
}

type NamesOf = (releaseId: string) => Promise<readonly string[]>;

const encoder = new TextEncoder();

function recordOf(tenantId: string, row: ArchivedRow, names: readonly string[]): DecisionRecord {
  const { paymentId, releaseId, decision, payment, recordedAtMs, featureBounds } = row;
  const features = Float64Array.from(names, (name) => {
    const value = row[featureColumn(name)];
    return typeof value === 'number' ? value : Number.NaN;
  });
  const bounds = Float64Array.from(names, (name) => featureBounds[name] ?? 0);
  return {
    ...{ tenantId, paymentId, releaseId, occurredAtMs: recordedAtMs, features, bounds },
    decision: encoder.encode(decision),
    payment: encoder.encode(payment),
  };
}

/** In the order of the ids; undefined where there is no row. Of several rows of one payment the first stands. */
export async function findRecords(
  client: ClickHouseClient,
  database: string,
  tenantId: string,
  paymentIds: readonly string[],
  namesOf: NamesOf,
): Promise<readonly (DecisionRecord | undefined)[]> {
  const found = new Map<string, DecisionRecord>();
  for (let from = 0; from < paymentIds.length; from += idsPerQueryMax) {
    const rows = await select<ArchivedRow>(
      client,
      `SELECT *, toUnixTimestamp64Milli(occurredAt) AS recordedAtMs FROM ${database}.decisions
       WHERE tenantId = {tenantId:String} AND paymentId IN {paymentIds:Array(String)}
       ORDER BY decidedAt LIMIT 1 BY paymentId`,
      { tenantId, paymentIds: paymentIds.slice(from, from + idsPerQueryMax) },
    );
    for (const row of rows) found.set(row.paymentId, recordOf(tenantId, row, await namesOf(row.releaseId)));
  }
  return paymentIds.map((id) => found.get(id));
}

/** Oldest first. */
export async function findLabels(
  client: ClickHouseClient,
  database: string,
  tenantId: string,
  paymentId: string,
): Promise<readonly Label[]> {
  return select<Label>(
    client,
    `SELECT DISTINCT paymentId, label, source, toUnixTimestamp64Milli(labelledAt) AS labelledAtMs FROM ${database}.labels
     WHERE tenantId = {tenantId:String} AND paymentId = {paymentId:String} ORDER BY labelledAtMs LIMIT ${labelsMax}`,
    { tenantId, paymentId },
  );
}
