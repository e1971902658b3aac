/** Scored payments of a time whose truth is known, as columns. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { OutcomeRows } from '../../models/monitoring/health.ts';
import type { LabelledRows } from '../../models/monitoring/comparison.ts';
import type { ComparisonQuery, ModelHealthQuery, ModelWindow } from '../../pipeline/modelAnalytics.ts';
import { type QueryParameters, select } from './client.ts';

/** Payments that are measured, at most; of more, those whose hash is smallest: a sample that nothing chose. */
const outcomeRowsMax = 50_000;

const at = (parameter: string): string => `fromUnixTimestamp64Milli({${parameter}:Int64}, 'UTC')`;
export const inWindow = `tenantId = {tenantId:String} AND decidedAt >= ${at('fromMs')} AND decidedAt < ${at('toMs')}`;

export function windowParameters({ tenantId, fromMs, toMs }: ModelWindow): QueryParameters {
  return { tenantId, fromMs, toMs };
}

/** A payment's newest label counts, at equal times the one that says fraud (as in summary.ts). */
const newestLabels = `
  SELECT paymentId, argMax(label, (labelledAt, label = 'fraud')) AS label, toUnixTimestamp64Milli(max(labelledAt)) AS labelledAtMs
  FROM {db}.labels WHERE tenantId = {tenantId:String} GROUP BY paymentId`;

/** Decisions that have a label, or are old enough to go without one. */
function withTruth(database: string, decisions: string, { assumedBeforeMs }: ModelWindow): string {
  const assumed = assumedBeforeMs === undefined ? '' : ` OR decidedAt < ${at('assumedBeforeMs')}`;
  return `(${decisions}) AS decided LEFT JOIN (${newestLabels.replaceAll('{db}', database)}) AS labelled USING (paymentId)
    WHERE label != ''${assumed}`;
}

const truthParameters = ({ assumedBeforeMs }: ModelWindow): QueryParameters =>
  assumedBeforeMs === undefined ? {} : { assumedBeforeMs };

interface OutcomeRow {
  readonly probability: number;
  readonly held: number;
  readonly label: string;
  readonly delayMs: number;
}

/** The decisions of a champion, or the payments that a challenger scored, with what the release held or would have held. */
function scoredBy(database: string, { role }: Pick<ModelHealthQuery, 'role'>): string {
  if (role === 'champion') {
    return `SELECT paymentId, probability, action, occurredAt, decidedAt FROM ${database}.decisions
      WHERE ${inWindow} AND modelVersion = {version:String} AND probability IS NOT NULL`;
  }
  return `SELECT paymentId, probability, action, decidedAt AS occurredAt, decidedAt FROM ${database}.shadow_scores
    WHERE ${inWindow} AND modelVersion = {version:String}`;
}

export async function outcomesOf(
  client: ClickHouseClient,
  database: string,
  query: ModelHealthQuery,
): Promise<OutcomeRows> {
  const rows = await select<OutcomeRow>(
    client,
    `SELECT probability, action = 'hold' AS held, label, labelledAtMs - toUnixTimestamp64Milli(occurredAt) AS delayMs
     FROM ${withTruth(database, scoredBy(database, query), query)}
     ORDER BY cityHash64(paymentId) LIMIT ${outcomeRowsMax}`,
    { ...windowParameters(query), ...truthParameters(query), version: query.version },
  );
  return {
    probabilities: Float64Array.from(rows, ({ probability }) => probability),
    frauds: Uint8Array.from(rows, ({ label }) => (label === 'fraud' ? 1 : 0)),
    held: Uint8Array.from(rows, ({ held }) => held),
    assumed: Uint8Array.from(rows, ({ label }) => (label === '' ? 1 : 0)),
    labelDelays: Float64Array.from(rows, ({ label, delayMs }) => (label === '' ? Number.NaN : delayMs / 1000)),
  };
}

interface ComparedRow {
  readonly customerId: string;
  readonly probability: number;
  readonly held: number;
  readonly label: string;
  /** One each, in the order asked for. */
  readonly shadows: readonly (readonly [probability: number, held: number])[];
  readonly known: number;
}

/** What every challenger of the query said of a payment; a payment that one of them did not score is not there. */
function shadowsOf(database: string): string {
  return `SELECT paymentId, arrayMap(v -> groupAt[indexOf(groupVersion, v)], {versions:Array(String)}) AS shadows FROM (
      SELECT paymentId, groupArray(modelVersion) AS groupVersion, groupArray((probability, toUInt8(action = 'hold'))) AS groupAt
      FROM ${database}.shadow_scores WHERE ${inWindow} AND modelVersion IN {versions:Array(String)}
      GROUP BY paymentId HAVING uniqExact(modelVersion) = length({versions:Array(String)}))`;
}

export async function comparedRows(
  client: ClickHouseClient,
  database: string,
  query: ComparisonQuery,
): Promise<{ readonly rows: LabelledRows; readonly known: number }> {
  const versions = query.challengers.map(({ version }) => version);
  const champion = `SELECT paymentId, customerId, probability, action, decidedAt FROM ${database}.decisions
    WHERE ${inWindow} AND modelVersion = {version:String} AND probability IS NOT NULL`;
  const decided =
    versions.length === 0
      ? `SELECT *, [] AS shadows FROM (${champion})`
      : `SELECT * FROM (${champion}) AS own INNER JOIN (${shadowsOf(database)}) AS others USING (paymentId)`;
  const found = await select<ComparedRow>(
    client,
    `SELECT customerId, probability, action = 'hold' AS held, label, shadows, count() OVER () AS known
     FROM ${withTruth(database, decided, query)}
     ORDER BY cityHash64(paymentId) LIMIT ${outcomeRowsMax}`,
    {
      ...windowParameters(query),
      ...truthParameters(query),
      version: query.champion.version,
      ...(versions.length === 0 ? {} : { versions }),
    },
  );
  const customers = new Map<string, number>();
  const clusters = Int32Array.from(found, ({ customerId }) => {
    const cluster = customers.get(customerId) ?? customers.size;
    customers.set(customerId, cluster);
    return cluster;
  });
  const answers = (identity: ComparisonQuery['champion'], of: (row: ComparedRow) => readonly [number, number]) => ({
    ...identity,
    probabilities: Float64Array.from(found, (row) => of(row)[0]),
    held: Uint8Array.from(found, (row) => of(row)[1]),
  });
  return {
    known: found[0]?.known ?? 0,
    rows: {
      frauds: Uint8Array.from(found, ({ label }) => (label === 'fraud' ? 1 : 0)),
      clusters,
      clusterCount: customers.size,
      models: [
        answers(query.champion, ({ probability, held }) => [probability, held]),
        ...query.challengers.map((challenger, i) =>
          answers(challenger, ({ shadows }) => shadows[i] ?? [Number.NaN, 0]),
        ),
      ],
    },
  };
}
