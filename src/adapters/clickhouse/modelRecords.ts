/** What was found of models and of recorded features, written down: a history for reports, and for processes that found none of it. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { ParityState } from '../../pipeline/parityJob.ts';
import type { HealthRecord, ModelWindow, ParityRecord } from '../../pipeline/modelAnalytics.ts';
import type { ParityMismatch } from '../../pipeline/parityTypes.ts';
import { select } from './client.ts';

/** Mismatches that are shown, the newest. */
const shownMax = 20;

/** As DateTime64(3) reads it. */
const timeText = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');

type Values = readonly Readonly<Record<string, unknown>>[];

async function insert(client: ClickHouseClient, table: string, values: Values): Promise<void> {
  if (values.length > 0) await client.insert({ table, values, format: 'JSONEachRow' });
}

/** Written again for the same time, it stands once. */
export async function recordHealth(client: ClickHouseClient, database: string, record: HealthRecord): Promise<void> {
  const { tenantId, atMs, model, measures } = record;
  const common = {
    tenantId,
    modelVersion: model.version,
    modelId: model.id,
    role: model.role,
    measuredAt: timeText(atMs),
  };
  const values = measures.map(({ name, input, value }) => ({ ...common, measure: name, input, value }));
  await insert(client, `${database}.model_health`, values);
}

/** The mismatches first: a check that is counted is one whose mismatches can be seen. */
export async function recordParity(client: ClickHouseClient, database: string, record: ParityRecord): Promise<void> {
  const { atMs, report } = record;
  const checkedAt = timeText(atMs);
  const { shown, ...counts } = report;
  await insert(
    client,
    `${database}.feature_mismatches`,
    shown.map((mismatch) => ({ checkedAt, ...mismatch })),
  );
  await insert(client, `${database}.feature_parity`, [{ checkedAt, ...counts }]);
}

const counts = [
  'compared',
  'values',
  'withinBounds',
  'otherOrder',
  'orderUnknown',
  'notCovered',
  'mismatches',
] as const satisfies readonly (keyof ParityState)[];

interface Sums extends Readonly<Record<(typeof counts)[number], number>> {
  readonly checks: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly lastAtMs: number;
}

/** What the checks of the time came to, whoever made them; undefined where there was none. */
export async function parityOf(
  client: ClickHouseClient,
  database: string,
  { tenantId, fromMs, toMs }: Pick<ModelWindow, 'tenantId' | 'fromMs' | 'toMs'>,
): Promise<ParityState | undefined> {
  const during =
    'checkedAt >= fromUnixTimestamp64Milli({fromMs:Int64}) AND checkedAt < fromUnixTimestamp64Milli({toMs:Int64})';
  const [sums] = await select<Sums>(
    client,
    `SELECT count() AS checks, ${counts.map((name) => `sum(p.${name}) AS ${name}`).join(', ')},
       sumMap(p.notComparable) AS reasons, toUnixTimestamp64Milli(max(p.checkedAt)) AS lastAtMs
     FROM ${database}.feature_parity AS p WHERE ${during}`,
    { fromMs, toMs },
  );
  if (sums === undefined || sums.checks === 0) return undefined;
  const shown = await select<ParityMismatch>(
    client,
    `SELECT tenantId, paymentId, feature, online, recomputed FROM ${database}.feature_mismatches
     WHERE tenantId = {tenantId:String} AND ${during} ORDER BY checkedAt DESC, paymentId, feature LIMIT ${shownMax}`,
    { tenantId, fromMs, toMs },
  );
  const { reasons, ...totals } = sums;
  return {
    ...totals,
    notComparable: reasons,
    shown,
    lastError: undefined,
  };
}
