// Guarantee: the split is the handbook's: no label is used before it was known, and known compromised cards are not counted
// as finds.
import { expect, test } from 'vitest';
import { type Split, splitRows } from '../../../src/models/training/protocol.ts';

const split: Split = { trainStartDay: 10, trainDays: 2, delayDays: 3, testDays: 2 };

/** Rows are [day, card, fraud]. */
function select(rows: readonly (readonly [number, number, 0 | 1])[]) {
  const history = { days: rows.map((r) => r[0]), cards: rows.map((r) => r[1]), frauds: rows.map((r) => r[2]) };
  return splitRows(history, split);
}

test('train days, then the delay, then test days; ends exclusive', () => {
  const days = [9, 10, 11, 12, 14, 15, 16, 17];
  const { train, test } = select(days.map((day, card) => [day, card, 0] as const));
  expect(train.map((row) => days[row])).toEqual([10, 11]);
  expect(test.map((row) => days[row])).toEqual([15, 16]);
});

test('a card with a fraud in the train days is left out of every test day', () => {
  expect(
    select([
      [11, 1, 1],
      [15, 1, 0],
      [16, 1, 1],
      [15, 2, 0],
    ]).test,
  ).toEqual([3]);
});

test('a fraud before the train days leaves nobody out', () => {
  expect(
    select([
      [9, 1, 1],
      [15, 1, 0],
    ]).test,
  ).toEqual([1]);
});

test('a fraud on the first delay day is known from the second test day on, one on the second not within the test', () => {
  expect(
    select([
      [12, 1, 1],
      [15, 1, 0],
      [16, 1, 0],
    ]).test,
  ).toEqual([1]);
  expect(
    select([
      [13, 1, 1],
      [15, 1, 0],
      [16, 1, 0],
    ]).test,
  ).toEqual([1, 2]);
});

test('a fraud in the test days themselves leaves its later payments in', () => {
  expect(
    select([
      [15, 1, 1],
      [16, 1, 1],
    ]).test,
  ).toEqual([0, 1]);
});
