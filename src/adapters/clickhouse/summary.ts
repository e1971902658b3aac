import type { ClickHouseClient } from '@clickhouse/client';
import type { DecisionSummary } from '../../pipeline/ports.ts';
import { select } from './client.ts';

/** Points of a series, at most; a caller who asks for more gets a RangeError. */
const seriesPointsMax = 2_000;
const topRulesMax = 20;

interface Window {
  readonly tenantId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The window, and the whole minutes in it that the sums answer for; the rest is counted row by row. */
interface SplitWindow extends Window {
  /** Equal to `middleToMs` where all is counted row by row. */
  readonly middleFromMs: number;
  readonly middleToMs: number;
}

const minuteMs = 60_000;
/** Whole minutes from which on their sums are worth a second table. */
const middleMinutesMin = 30;

function split(window: Window, bucketMs: number): SplitWindow {
  const middleFromMs = Math.ceil(window.fromMs / minuteMs) * minuteMs;
  const middleToMs = Math.floor(window.toMs / minuteMs) * minuteMs;
  const worthIt = bucketMs % minuteMs === 0 && middleToMs - middleFromMs >= middleMinutesMin * minuteMs;
  if (worthIt) return { ...window, middleFromMs, middleToMs };
  return { ...window, middleFromMs: window.toMs, middleToMs: window.toMs };
}

const at = (parameter: string): string => `fromUnixTimestamp64Milli({${parameter}:Int64}, 'UTC')`;
const inWindow = `tenantId = {tenantId:String} AND decidedAt >= ${at('fromMs')} AND decidedAt < ${at('toMs')}`;
const atEdges = `${inWindow} AND (decidedAt < ${at('middleFromMs')} OR decidedAt >= ${at('middleToMs')})`;
const inMiddle = `tenantId = {tenantId:String} AND minute >= ${at('middleFromMs')} AND minute < ${at('middleToMs')}`;

async function totals(
  client: ClickHouseClient,
  database: string,
  window: SplitWindow,
): Promise<Omit<DecisionSummary, 'series' | 'topRules' | 'labels'>> {
  const rows = await select<{ total: number; held: number; latency: (number | null)[] }>(
    client,
    `SELECT sum(decisions) AS total, sum(holds) AS held, quantilesTDigestMerge(0.5, 0.9, 0.99)(latencies) AS latency
     FROM (
       SELECT decisions, holds, latencyMicros AS latencies
       FROM ${database}.decisions_per_minute FINAL WHERE ${inMiddle} AND ruleId = ''
       UNION ALL
       SELECT count(), countIf(action = 'hold'), quantilesTDigestState(0.5, 0.9, 0.99)(latencyMicros)
       FROM ${database}.decisions WHERE ${atEdges}
     )`,
    { ...window },
  );
  const row = rows[0];
  // Quantiles of nothing are NaN in the engine and null in its JSON; nobody waited, so they are 0.
  const quantile = (index: number): number => row?.latency[index] ?? 0;
  return {
    total: row?.total ?? 0,
    holds: row?.held ?? 0,
    latencyMicros: { p50: quantile(0), p99: quantile(2) },
  };
}

/** One point a bucket that touches the window, also where nothing was decided; buckets start at multiples of `bucketMs`. */
async function series(
  client: ClickHouseClient,
  database: string,
  window: SplitWindow,
  bucketMs: number,
): Promise<DecisionSummary['series']> {
  const rows = await select<{ bucket: number; total: number; held: number }>(
    client,
    `SELECT bucket, sum(decisions) AS total, sum(holds) AS held
     FROM (
       SELECT intDiv(toUnixTimestamp(minute) * 1000, {bucketMs:Int64}) AS bucket, decisions, holds
       FROM ${database}.decisions_per_minute FINAL WHERE ${inMiddle} AND ruleId = ''
       UNION ALL
       SELECT intDiv(toUnixTimestamp64Milli(decidedAt), {bucketMs:Int64}) AS bucket, count(), countIf(action = 'hold')
       FROM ${database}.decisions WHERE ${atEdges} GROUP BY bucket
     ) GROUP BY bucket`,
    { ...window, bucketMs },
  );
  const counted = new Map(rows.map((row) => [row.bucket, row]));
  const points: DecisionSummary['series'][number][] = [];
  const end = Math.ceil(window.toMs / bucketMs);
  for (let bucket = Math.floor(window.fromMs / bucketMs); bucket < end; bucket += 1) {
    const row = counted.get(bucket);
    points.push({ atMs: bucket * bucketMs, decisions: row?.total ?? 0, holds: row?.held ?? 0 });
  }
  return points;
}

async function topRules(
  client: ClickHouseClient,
  database: string,
  window: SplitWindow,
): Promise<DecisionSummary['topRules']> {
  const rows = await select<{ id: string; total: number; held: number }>(
    client,
    `SELECT ruleId AS id, sum(decisions) AS total, sum(holds) AS held
     FROM (
       SELECT ruleId, decisions, holds
       FROM ${database}.decisions_per_minute FINAL WHERE ${inMiddle} AND ruleId != ''
       UNION ALL
       SELECT ruleId, count(), countIf(action = 'hold') FROM ${database}.rule_hits WHERE ${atEdges} GROUP BY ruleId
     ) GROUP BY ruleId ORDER BY total DESC, id LIMIT ${topRulesMax}`,
    { ...window },
  );
  return rows.map(({ id, total, held }) => ({ id, hits: total, holds: held }));
}

/** Decisions of the window by what became of them: a payment's newest label counts, at equal times the one that says fraud. */
async function labels(client: ClickHouseClient, database: string, window: Window): Promise<DecisionSummary['labels']> {
  const rows = await select<DecisionSummary['labels']>(
    client,
    `SELECT countIf(label = 'fraud') AS fraud, countIf(label = 'fraud' AND action = 'hold') AS fraudHeld,
            countIf(label = 'legitimate') AS legitimate, countIf(label = 'legitimate' AND action = 'hold') AS legitimateHeld
     FROM (SELECT paymentId, action FROM ${database}.decisions WHERE ${inWindow}) AS decided
     INNER JOIN (
       SELECT paymentId, argMax(label, (labelledAt, label = 'fraud')) AS label
       FROM ${database}.labels WHERE tenantId = {tenantId:String} GROUP BY paymentId
     ) AS labelled USING (paymentId)`,
    { ...window },
  );
  return rows[0] ?? { fraud: 0, fraudHeld: 0, legitimate: 0, legitimateHeld: 0 };
}

/**
 * Totals, latency quantiles (t-digest, about 1 % off), series, most-hit rules and label outcomes over decidedAt in
 * [fromMs, toMs). Whole minutes come from their sums where the buckets are whole minutes too; label outcomes always from
 * the rows.
 * @throws RangeError when the window is empty or has more than `seriesPointsMax` buckets.
 */
export async function summarise(
  client: ClickHouseClient,
  database: string,
  window: Window,
  bucketMs: number,
): Promise<DecisionSummary> {
  const whole = [window.fromMs, window.toMs, bucketMs].every(Number.isSafeInteger);
  if (!whole || bucketMs < 1 || window.toMs <= window.fromMs) throw new RangeError('an empty window or bucket');
  if ((window.toMs - window.fromMs) / bucketMs > seriesPointsMax) {
    throw new RangeError(`a series has at most ${seriesPointsMax} points`);
  }
  const parts = split(window, bucketMs);
  return {
    ...(await totals(client, database, parts)),
    series: await series(client, database, parts, bucketMs),
    topRules: await topRules(client, database, parts),
    labels: await labels(client, database, window),
  };
}
