/**
 * Champion and challengers on the same labelled payments: average precision, and precision and recall of what each would
 * have held under the release's policy, with bootstrap intervals of each measure and of its difference from the champion's.
 */
import { bootstrapRandom, bootstrapReplicates, type Interval, percentileInterval, resample } from './bootstrap.ts';

/** One model's answers, one a row. */
export interface ModelAnswers {
  readonly id: string;
  readonly version: string;
  readonly probabilities: Float64Array;
  /** 1 where the release would hold with this model. */
  readonly held: Uint8Array;
}

export interface LabelledRows {
  /** 1 is fraud. */
  readonly frauds: Uint8Array;
  /** The row's cluster, 0 … clusters − 1: its customer. */
  readonly clusters: Int32Array;
  readonly clusterCount: number;
  /** The champion first. */
  readonly models: readonly ModelAnswers[];
}

export const measureNames = ['averagePrecision', 'precision', 'recall', 'alertShare', 'brier'] as const;
export type MeasureName = (typeof measureNames)[number];

/** `value` is null where it is not defined (no fraud, nothing held), an interval is null where it seldom was in resamples. */
export interface Measure {
  readonly value: number | null;
  readonly interval: Interval | null;
}

export interface Difference extends Measure {
  /** Share of the resamples in which the challenger's measure was above the champion's. */
  readonly above: number | null;
}

export interface ComparedModel {
  readonly id: string;
  readonly version: string;
  readonly measures: Readonly<Record<MeasureName, Measure>>;
  /** From the champion's measures, resample by resample; null for the champion. */
  readonly differences: Readonly<Record<MeasureName, Difference>> | null;
}

type Values = Readonly<Record<MeasureName, number>>;

/** Rows by falling probability. */
function ranking({ probabilities }: ModelAnswers): Int32Array {
  return Int32Array.from(probabilities.keys()).sort(
    (a, b) => (probabilities[b] as number) - (probabilities[a] as number) || a - b,
  );
}

/** Step-wise average precision of weighted rows; rows of one probability are one step. NaN without frauds. */
function weightedAveragePrecision(
  rows: LabelledRows,
  answers: ModelAnswers,
  order: Int32Array,
  weights: Float64Array,
): number {
  const { frauds, clusters } = rows;
  const { probabilities } = answers;
  let seen = 0;
  let found = 0;
  let sum = 0;
  for (let i = 0; i < order.length; ) {
    const probability = probabilities[order[i] as number] as number;
    let foundHere = 0;
    for (; i < order.length && probabilities[order[i] as number] === probability; i++) {
      const row = order[i] as number;
      const weight = weights[clusters[row] as number] as number;
      seen += weight;
      if (frauds[row] === 1) foundHere += weight;
    }
    found += foundHere;
    if (foundHere > 0) sum += foundHere * (found / seen);
  }
  return sum / found;
}

function measure(rows: LabelledRows, answers: ModelAnswers, order: Int32Array, weights: Float64Array): Values {
  const { frauds, clusters } = rows;
  const { probabilities, held } = answers;
  let all = 0;
  let fraud = 0;
  let alerts = 0;
  let hits = 0;
  let squares = 0;
  for (let row = 0; row < frauds.length; row++) {
    const weight = weights[clusters[row] as number] as number;
    const truth = frauds[row] as number;
    all += weight;
    fraud += weight * truth;
    squares += weight * ((probabilities[row] as number) - truth) ** 2;
    if (held[row] !== 1) continue;
    alerts += weight;
    hits += weight * truth;
  }
  return {
    averagePrecision: weightedAveragePrecision(rows, answers, order, weights),
    precision: hits / alerts,
    recall: hits / fraud,
    alertShare: alerts / all,
    brier: squares / all,
  };
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function each<Value>(make: (name: MeasureName) => Value): Readonly<Record<MeasureName, Value>> {
  return Object.fromEntries(measureNames.map((name) => [name, make(name)])) as Record<MeasureName, Value>;
}

function measured(actual: Values, resampled: readonly Values[]): ComparedModel['measures'] {
  return each((name) => ({
    value: orNull(actual[name]),
    interval: percentileInterval(resampled.map((values) => values[name])) ?? null,
  }));
}

function differing(
  [actual, resampled]: readonly [Values, readonly Values[]],
  [champion, championResampled]: readonly [Values, readonly Values[]],
): NonNullable<ComparedModel['differences']> {
  return each((name) => {
    const differences = resampled.map((values, i) => values[name] - (championResampled[i]?.[name] ?? Number.NaN));
    const defined = differences.filter((value) => !Number.isNaN(value));
    const interval = percentileInterval(differences) ?? null;
    const above = interval === null ? null : defined.filter((value) => value > 0).length / defined.length;
    return { value: orNull(actual[name] - champion[name]), interval, above };
  });
}

/**
 * Every model's measures over the rows. Deterministic for a seed.
 * @param pause awaited between resamples, so that whoever computes can do something else meanwhile
 */
export async function compareModels(
  rows: LabelledRows,
  seed: number,
  pause: () => Promise<void>,
): Promise<readonly ComparedModel[]> {
  const orders = rows.models.map(ranking);
  const weights = new Float64Array(rows.clusterCount).fill(1);
  const all = (): Values[] => rows.models.map((answers, i) => measure(rows, answers, orders[i] as Int32Array, weights));
  const actual = all();
  const resampled: Values[][] = rows.models.map(() => []);
  const random = bootstrapRandom(seed);
  for (let replicate = 0; replicate < bootstrapReplicates && rows.frauds.length > 0; replicate++) {
    resample(weights, random);
    all().forEach((values, i) => resampled[i]?.push(values));
    await pause();
  }
  const championOf = [actual[0] as Values, resampled[0] ?? []] as const;
  return rows.models.map(({ id, version }, i) => {
    const own = [actual[i] as Values, resampled[i] ?? []] as const;
    return {
      id,
      version,
      measures: measured(...own),
      differences: i === 0 ? null : differing(own, championOf),
    };
  });
}
