/** Measures of a ranking of payments by score. Definitions: the Fraud Detection Handbook, chapter 4; scikit-learn for ties. */

/** One scored payment of a test period. */
export interface ScoredPayment {
  readonly score: number;
  readonly fraud: boolean;
  /** The card (in the handbook's data, the customer). */
  readonly card: number;
  /** Day number, any origin. */
  readonly day: number;
}

interface Group {
  readonly frauds: number;
  readonly legitimate: number;
}

/** Payments of equal score together, highest score first. */
function byScore(payments: readonly ScoredPayment[]): Group[] {
  const groups: { frauds: number; legitimate: number }[] = [];
  let previous = Number.NaN;
  for (const { score, fraud } of payments.toSorted((a, b) => b.score - a.score)) {
    if (score !== previous) groups.push({ frauds: 0, legitimate: 0 });
    previous = score;
    const group = groups[groups.length - 1];
    if (group && fraud) group.frauds += 1;
    else if (group) group.legitimate += 1;
  }
  return groups;
}

const fraudCount = (payments: readonly ScoredPayment[]) => payments.reduce((count, p) => count + (p.fraud ? 1 : 0), 0);

/** Area under the ROC curve: the chance that a fraud scores above a legitimate payment, ties counting half. NaN without both. */
export function rocAuc(payments: readonly ScoredPayment[]): number {
  const frauds = fraudCount(payments);
  let above = 0;
  let won = 0;
  for (const group of byScore(payments)) {
    won += group.legitimate * (above + group.frauds / 2);
    above += group.frauds;
  }
  return won / (frauds * (payments.length - frauds));
}

/**
 * Average precision: Σ (recallₙ − recallₙ₋₁) · precisionₙ over the distinct scores, downwards; no interpolation. NaN without frauds.
 * @param genuineShare share of the genuine payments that are among these, where they are a sample: each then counts for several
 */
export function averagePrecision(payments: readonly ScoredPayment[], genuineShare = 1): number {
  const frauds = fraudCount(payments);
  let seen = 0;
  let found = 0;
  let sum = 0;
  for (const group of byScore(payments)) {
    seen += group.frauds + group.legitimate / genuineShare;
    found += group.frauds;
    sum += (group.frauds / frauds) * (found / seen);
  }
  return sum;
}

/** Average precision of columns: scores (any order-preserving numbers) and frauds (1 is fraud), row by row. */
export function averagePrecisionOf(
  scores: ArrayLike<number>,
  frauds: ArrayLike<number>,
  genuineShare?: number,
): number {
  const payments = Array.from(scores, (score, row) => ({ score, fraud: frauds[row] === 1, card: 0, day: 0 }));
  return averagePrecision(payments, genuineShare);
}

/** One day's cards by their highest score, and those that had a fraud that day. */
function cardsOfDay(payments: readonly ScoredPayment[]): { card: number; score: number; fraud: boolean }[] {
  const cards = new Map<number, { card: number; score: number; fraud: boolean }>();
  for (const { card, score, fraud } of payments) {
    const known = cards.get(card);
    if (known === undefined) cards.set(card, { card, score, fraud });
    else {
      known.score = Math.max(known.score, score);
      known.fraud ||= fraud;
    }
  }
  return [...cards.values()].sort((a, b) => b.score - a.score || a.card - b.card);
}

/**
 * Card precision at `top`: each day, of the `top` cards with the highest score, the share with a fraud that day; a card so found
 * is out of the later days. Mean over the days that have payments. Cards of equal score go by number.
 */
export function cardPrecision(payments: readonly ScoredPayment[], top: number): number {
  const days = Map.groupBy(payments, (payment) => payment.day);
  const found = new Set<number>();
  let sum = 0;
  for (const day of [...days.keys()].sort((a, b) => a - b)) {
    const open = (days.get(day) ?? []).filter((payment) => !found.has(payment.card));
    const hits = cardsOfDay(open)
      .slice(0, top)
      .filter((card) => card.fraud);
    for (const { card } of hits) found.add(card);
    sum += hits.length / top;
  }
  return sum / days.size;
}

/** Mean squared error of the probabilities; for a calibrated model, as low as its ranking allows. */
export function brierScore(payments: readonly ScoredPayment[]): number {
  return payments.reduce((sum, { score, fraud }) => sum + (score - (fraud ? 1 : 0)) ** 2, 0) / payments.length;
}

export interface RankingMetrics {
  readonly auc: number;
  readonly averagePrecision: number;
  readonly cardPrecisionAt100: number;
  readonly brier: number;
}

export function rankingMetrics(payments: readonly ScoredPayment[]): RankingMetrics {
  return {
    auc: rocAuc(payments),
    averagePrecision: averagePrecision(payments),
    cardPrecisionAt100: cardPrecision(payments, 100),
    brier: brierScore(payments),
  };
}
