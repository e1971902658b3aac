// Guarantee: the measures are the handbook's and scikit-learn's: equal to hand-computed cases, ties included, and to their
// definitions by brute force on random rankings.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  averagePrecision,
  brierScore,
  cardPrecision,
  rocAuc,
  type ScoredPayment,
} from '../../../src/models/metrics.ts';

const payments = (scores: readonly number[], frauds: readonly number[]): ScoredPayment[] =>
  scores.map((score, i) => ({ score, fraud: frauds[i] === 1, card: i, day: 0 }));

test('scikit-learn’s own example: scores .1 .4 .35 .8 of classes 0 0 1 1', () => {
  const example = payments([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]);
  expect(rocAuc(example)).toBe(0.75);
  expect(averagePrecision(example)).toBeCloseTo(0.8333333, 7);
});

test('ties: all scores equal rank nothing', () => {
  const equal = payments([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0]);
  expect(rocAuc(equal)).toBe(0.5);
  expect(averagePrecision(equal)).toBe(0.25);
  // Two of three above: fraud and legitimate tied at the top (precision 1/2 for recall 1/2), then a fraud (2/3 for 1/2).
  expect(averagePrecision(payments([0.9, 0.9, 0.2], [1, 0, 1]))).toBeCloseTo(0.5 * 0.5 + 0.5 * (2 / 3), 12);
  expect(rocAuc(payments([0.9, 0.9, 0.2], [1, 0, 1]))).toBeCloseTo(0.25, 12);
});

test('perfect and inverted rankings', () => {
  expect(rocAuc(payments([3, 2, 1], [1, 0, 0]))).toBe(1);
  expect(averagePrecision(payments([3, 2, 1], [1, 0, 0]))).toBe(1);
  expect(rocAuc(payments([1, 2, 3], [1, 0, 0]))).toBe(0);
  expect(averagePrecision(payments([1, 2, 3], [1, 0, 0]))).toBeCloseTo(1 / 3, 12);
});

test('without both classes there is no number', () => {
  expect(rocAuc(payments([1, 2], [0, 0]))).toBeNaN();
  expect(averagePrecision(payments([1, 2], [0, 0]))).toBeNaN();
});

const ranking = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.boolean()), { minLength: 2, maxLength: 30 });

test('by definition: AUC over all pairs, average precision over all thresholds', () => {
  fc.assert(
    fc.property(ranking, (rows) => {
      const scored = rows.map(([score, fraud], card) => ({ score, fraud, card, day: 0 }));
      const frauds = scored.filter((p) => p.fraud);
      const legitimate = scored.filter((p) => !p.fraud);
      fc.pre(frauds.length > 0 && legitimate.length > 0);
      const wins = frauds.flatMap((f) =>
        legitimate.map((l) => (f.score > l.score ? 1 : f.score === l.score ? 0.5 : 0)),
      );
      expect(rocAuc(scored)).toBeCloseTo(wins.reduce<number>((a, b) => a + b, 0) / wins.length, 10);
      let previous = 0;
      let sum = 0;
      for (const threshold of [6, 5, 4, 3, 2, 1, 0]) {
        const flagged = scored.filter((p) => p.score >= threshold);
        const hits = flagged.filter((p) => p.fraud).length;
        if (flagged.length > 0) sum += (hits / frauds.length - previous) * (hits / flagged.length);
        previous = hits / frauds.length;
      }
      expect(averagePrecision(scored)).toBeCloseTo(sum, 10);
    }),
  );
});

test('card precision: best score a card and day, found cards leave, mean over the days', () => {
  const one = (day: number, card: number, score: number, fraud: boolean): ScoredPayment => ({
    day,
    card,
    score,
    fraud,
  });
  const history = [
    // Day 1: cards by best score 7 (.9), 8 (.8), 9 (.1). Card 7 has its fraud at a low score: it is the card that is found.
    one(1, 7, 0.9, false),
    one(1, 7, 0.2, true),
    one(1, 8, 0.8, false),
    one(1, 9, 0.1, true),
    // Day 2: 7 is found and out; 9 and 8 are the two highest, 9 with a fraud.
    one(2, 7, 0.99, true),
    one(2, 9, 0.7, true),
    one(2, 8, 0.6, false),
    one(2, 6, 0.5, true),
    // Day 3: only card 8; still of two places.
    one(3, 8, 0.1, true),
    one(3, 9, 0.9, true),
  ];
  expect(cardPrecision(history, 2)).toBeCloseTo((1 / 2 + 1 / 2 + 1 / 2) / 3, 12);
  expect(cardPrecision(history, 1)).toBeCloseTo((1 + 1 + 0) / 3 + 1 / 3, 12);
});

test('Brier score', () => {
  expect(brierScore(payments([0.2, 0.9], [0, 1]))).toBeCloseTo((0.04 + 0.01) / 2, 12);
});
