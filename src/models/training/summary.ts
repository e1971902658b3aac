/** Measures of several splits and seeds as few numbers. */
import { averagePrecision, cardPrecision, rocAuc, type ScoredPayment } from '../metrics.ts';

/** Named as the public contract prints them: ROC AUC, average precision, card precision at 100. */
export interface SplitMeasures {
  readonly auc: number;
  readonly ap: number;
  readonly cp100: number;
}

const alertedCards = 100;

export const splitMeasures = (payments: readonly ScoredPayment[]): SplitMeasures => ({
  auc: rocAuc(payments),
  ap: averagePrecision(payments),
  cp100: cardPrecision(payments, alertedCards),
});

function combined(all: readonly SplitMeasures[], one: (values: number[]) => number): SplitMeasures {
  return {
    auc: one(all.map(({ auc }) => auc)),
    ap: one(all.map(({ ap }) => ap)),
    cp100: one(all.map(({ cp100 }) => cp100)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** Measure by measure, over the seeds of one split. */
export const medianMeasures = (all: readonly SplitMeasures[]): SplitMeasures => combined(all, median);
/** Over splits. */
export const meanMeasures = (all: readonly SplitMeasures[]): SplitMeasures =>
  combined(all, (values) => values.reduce((sum, value) => sum + value, 0) / values.length);
