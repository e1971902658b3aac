/** What a model's scores on its test payments are worth, beyond one number: alerts, value, calibration, segments. */
import { averagePrecision, type RankingMetrics, rankingMetrics, rocAuc, type ScoredPayment } from '../metrics.ts';

export interface AlertRate {
  /** Share of the payments that an alert is raised for: those with the highest scores. */
  readonly rate: number;
  readonly alerts: number;
  readonly precision: number;
  /** Share of the frauds, and of the frauds' money, that the alerts catch. */
  readonly recall: number;
  readonly valueRecall: number;
}

export interface CalibrationBin {
  /** Probabilities from `from`, below `to`. */
  readonly from: number;
  readonly to: number;
  readonly payments: number;
  readonly meanProbability: number;
  readonly fraudRate: number;
}

export interface Segment {
  readonly segment: string;
  readonly payments: number;
  readonly frauds: number;
  /** Absent without both classes. */
  readonly auc?: number;
  readonly averagePrecision?: number;
  readonly meanProbability: number;
}

export interface Evaluation extends RankingMetrics {
  readonly alertRates: readonly AlertRate[];
  readonly calibration: {
    readonly bins: readonly CalibrationBin[];
    /** Mean distance of probability and fraud rate over the bins, weighted by payments (Naeini et al. 2015). */
    readonly expectedError: number;
  };
  readonly segments: readonly Segment[];
}

/** A payment with the values of it that segments are made of. */
export interface EvaluatedPayment extends ScoredPayment {
  readonly amountMinor: number;
  readonly occurredAtMs: number;
  /** As `country=DE`. */
  readonly groups: readonly string[];
}

const alertRates = [0.001, 0.005, 0.01] as const;
const calibrationBins = 10;
/** Amount bands, each with a quarter of the payments. */
const amountBands = 4;
/** Groups of one kind that are shown: those with the most payments. */
const segmentsShown = 5;
const dayMs = 86_400_000;
const hourMs = 3_600_000;
const nightEndsAtHour = 7;

const sumOf = (payments: readonly ScoredPayment[], of: (payment: ScoredPayment) => number): number =>
  payments.reduce((sum, payment) => sum + of(payment), 0);
const fraudsOf = (payments: readonly ScoredPayment[]): number => sumOf(payments, ({ fraud }) => (fraud ? 1 : 0));
const fraudValue = (payments: readonly EvaluatedPayment[]): number =>
  payments.reduce((sum, { fraud, amountMinor }) => sum + (fraud ? amountMinor : 0), 0);

function atAlertRate(sorted: readonly EvaluatedPayment[], rate: number): AlertRate {
  const alerted = sorted.slice(0, Math.max(1, Math.round(rate * sorted.length)));
  const caught = fraudsOf(alerted);
  const value = fraudValue(sorted);
  return {
    rate,
    alerts: alerted.length,
    precision: caught / alerted.length,
    recall: caught / fraudsOf(sorted),
    valueRecall: value === 0 ? 0 : fraudValue(alerted) / value,
  };
}

function calibrationOf(payments: readonly ScoredPayment[]): Evaluation['calibration'] {
  const bins = Array.from({ length: calibrationBins }, (_, bin) => {
    const [from, to] = [bin / calibrationBins, (bin + 1) / calibrationBins];
    const inside = payments.filter(({ score }) => score >= from && (score < to || bin === calibrationBins - 1));
    const count = Math.max(1, inside.length);
    return {
      from,
      to,
      payments: inside.length,
      meanProbability: sumOf(inside, ({ score }) => score) / count,
      fraudRate: fraudsOf(inside) / count,
    };
  }).filter((bin) => bin.payments > 0);
  const expectedError = bins.reduce(
    (sum, bin) => sum + (bin.payments / payments.length) * Math.abs(bin.meanProbability - bin.fraudRate),
    0,
  );
  return { bins, expectedError };
}

function segmentOf(segment: string, payments: readonly ScoredPayment[]): Segment {
  const frauds = fraudsOf(payments);
  const both = frauds > 0 && frauds < payments.length;
  return {
    segment,
    payments: payments.length,
    frauds,
    ...(both ? { auc: rocAuc(payments), averagePrecision: averagePrecision(payments) } : {}),
    meanProbability: sumOf(payments, ({ score }) => score) / payments.length,
  };
}

function amountSegments(payments: readonly EvaluatedPayment[]): Segment[] {
  const amounts = Float64Array.from(payments, ({ amountMinor }) => amountMinor).sort();
  const edges = Array.from(
    { length: amountBands - 1 },
    (_, i) => amounts[Math.floor(((i + 1) * amounts.length) / amountBands)] ?? 0,
  );
  const bandOf = (amount: number): number => edges.filter((edge) => amount >= edge).length;
  const bands = Map.groupBy(payments, ({ amountMinor }) => bandOf(amountMinor));
  return [...bands.keys()]
    .sort((a, b) => a - b)
    .map((band) => {
      const [from, to] = [edges[band - 1], edges[band]];
      const text = `amountMinor ${from === undefined ? '' : `from ${from}`}${to === undefined ? '' : ` below ${to}`}`;
      return segmentOf(text.replace('  ', ' '), bands.get(band) ?? []);
    });
}

function groupSegments(payments: readonly EvaluatedPayment[]): Segment[] {
  const kinds = payments[0]?.groups.map((group) => group.split('=')[0] ?? '') ?? [];
  return kinds.flatMap((_, kind) => {
    const groups = Map.groupBy(payments, (payment) => payment.groups[kind] ?? '');
    if (groups.size < 2) return [];
    return [...groups]
      .sort(([a, left], [b, right]) => right.length - left.length || (a < b ? -1 : 1))
      .slice(0, segmentsShown)
      .map(([group, members]) => segmentOf(group, members));
  });
}

/** Needs both classes among the payments. */
export function evaluationOf(payments: readonly EvaluatedPayment[]): Evaluation {
  const sorted = payments.toSorted((a, b) => b.score - a.score);
  const night = (payment: EvaluatedPayment): boolean => payment.occurredAtMs % dayMs < nightEndsAtHour * hourMs;
  const times = Map.groupBy(payments, (payment) => (night(payment) ? 'night (00–06 UTC)' : 'day (07–23 UTC)'));
  return {
    ...rankingMetrics(payments),
    alertRates: alertRates.map((rate) => atAlertRate(sorted, rate)),
    calibration: calibrationOf(payments),
    segments: [
      ...amountSegments(payments),
      ...[...times].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, some]) => segmentOf(name, some)),
      ...groupSegments(payments),
    ],
  };
}

/** Recall and precision from the highest score down, at most `points` of them, for a plot. */
export function precisionRecallCurve(
  payments: readonly ScoredPayment[],
  points: number,
): { recall: number; precision: number }[] {
  const frauds = fraudsOf(payments);
  const curve: { recall: number; precision: number }[] = [];
  let found = 0;
  payments
    .toSorted((a, b) => b.score - a.score)
    .forEach(({ fraud }, at) => {
      if (!fraud) return;
      found += 1;
      if (found % Math.ceil(frauds / points) === 0 || found === frauds)
        curve.push({ recall: found / frauds, precision: found / (at + 1) });
    });
  return curve;
}
