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

const inWindow = `tenantId = {tenantId:String}
  AND decidedAt >= fromUnixTimestamp64Milli({fromMs:Int64}, 'UTC') AND decidedAt < fromUnixTimestamp64Milli({toMs:Int64}, 'UTC')`;

async function totals(
  client: ClickHouseClient,
  database: string,
  window: Window,
): Promise<Omit<DecisionSummary, 'series' | 'topRules' | 'labels'>> {
  const rows = await select<{ total: number; holds: number; latency: (number | null)[] }>(
    client,
    `SELECT count() AS total, countIf(action = 'hold') AS holds, quantilesTDigest(0.5, 0.99)(latencyMicros) AS latency
     FROM ${database}.decisions WHERE ${inWindow}`,
    { ...window },
  );
  const row = rows[0];
  // Quantiles of nothing are NaN in the engine and null in its JSON; nobody waited, so they are 0.
  const quantile = (index: number): number => row?.latency[index] ?? 0;
  return {
    total: row?.total ?? 0,
    holds: row?.holds ?? 0,
    latencyMicros: { p50: quantile(0), p99: quantile(1) },
  };
}

/** One point a bucket that touches the window, also where nothing was decided; buckets start at multiples of `bucketMs`. */
async function series(
  client: ClickHouseClient,
  database: string,
  window: Window,
  bucketMs: number,
): Promise<DecisionSummary['series']> {
  const rows = await select<{ bucket: number; decisions: number; holds: number }>(
    client,
    `SELECT intDiv(toUnixTimestamp64Milli(decidedAt), {bucketMs:Int64}) AS bucket,
            count() AS decisions, countIf(action = 'hold') AS holds
     FROM ${database}.decisions WHERE ${inWindow} GROUP BY bucket`,
    { ...window, bucketMs },
  );
  const counted = new Map(rows.map((row) => [row.bucket, row]));
  const points: DecisionSummary['series'][number][] = [];
  const end = Math.ceil(window.toMs / bucketMs);
  for (let bucket = Math.floor(window.fromMs / bucketMs); bucket < end; bucket += 1) {
    const row = counted.get(bucket);
    points.push({ atMs: bucket * bucketMs, decisions: row?.decisions ?? 0, holds: row?.holds ?? 0 });
  }
  return points;
}

function topRules(client: ClickHouseClient, database: string, window: Window): Promise<DecisionSummary['topRules']> {
  return select(
    client,
    `SELECT ruleId AS id, count() AS hits, countIf(action = 'hold') AS holds
     FROM ${database}.rule_hits WHERE ${inWindow}
     GROUP BY ruleId ORDER BY hits DESC, id LIMIT ${topRulesMax}`,
    { ...window },
  );
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
 * [fromMs, toMs).
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
  return {
    ...(await totals(client, database, window)),
    series: await series(client, database, window, bucketMs),
    topRules: await topRules(client, database, window),
    labels: await labels(client, database, window),
  };
}
