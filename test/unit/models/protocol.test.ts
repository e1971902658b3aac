// Guarantee: the split is the handbook's: no label is used before it was known, and known compromised cards are not counted
// as finds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  learnFromDay,
  type Split,
  splitRows,
  validationDaysOf,
  validationRows,
} from '../../../src/models/training/protocol.ts';

const split: Split = { trainStartDay: 10, trainDays: 2, historyDays: 0, delayDays: 3, testDays: 2 };

/** Rows are [day, card, fraud]. */
function select(rows: readonly (readonly [number, number, 0 | 1])[]) {
  const history = { days: rows.map((r) => r[0]), cards: rows.map((r) => r[1]), frauds: rows.map((r) => r[2]) };
  const { train, test: tested } = splitRows(history, split);
  return { train: [...train], test: [...tested] };
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

test('more history adds older rows to learn from, and changes no test row', () => {
  const history = {
    days: Array.from({ length: 20 }, (_, day) => day),
    cards: Array.from({ length: 20 }, (_, day) => day % 2),
    frauds: Array.from({ length: 20 }, (_, day) => (day === 5 ? 1 : 0)),
  };
  const longer = { ...split, historyDays: 6 };
  expect(learnFromDay(longer)).toBe(6);
  expect([...splitRows(history, longer).train]).toEqual([6, 7, 8, 9, 10, 11]);
  expect(splitRows(history, longer).test).toEqual(splitRows(history, split).test);
  expect(splitRows(history, { ...split, historyDays: 1 })).toEqual(splitRows(history, split));
});

test('validation lies inside the training period, behind a delay where the period is long enough for one', () => {
  const long: Split = { trainStartDay: 60, trainDays: 7, historyDays: 60, delayDays: 7, testDays: 7 };
  const [days] = validationDaysOf(long);
  expect(days).toEqual({ trialFrom: 7, trialDays: 46, gapDays: 7, validationFrom: 60, validationDays: 7 });
  expect(validationDaysOf({ ...long, historyDays: 0 })).toEqual([
    { trialFrom: 60, trialDays: 6, gapDays: 0, validationFrom: 66, validationDays: 1 },
  ]);
  if (days === undefined) throw new Error('no window');
  const history = {
    days: Array.from({ length: 90 }, (_, day) => day),
    cards: Array(90).fill(0),
    frauds: Array(90).fill(0),
  };
  const { trialRows, validationRows: judging } = validationRows(history, long, days);
  expect([trialRows[0], trialRows.at(-1), judging[0], judging.at(-1)]).toEqual([7, 52, 60, 66]);
});

test('several windows follow each other to the period’s end; each judges what learned before it, and only as many as fit', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 90 }),
      fc.integer({ min: 0, max: 14 }),
      fc.integer({ min: 1, max: 4 }),
      (trainDays, historyDays, delayDays, asked) => {
        const some: Split = { trainStartDay: 100, trainDays, historyDays, delayDays, testDays: 7 };
        const windows = validationDaysOf(some, asked);
        expect(windows.length).toBeGreaterThanOrEqual(1);
        expect(windows.length).toBeLessThanOrEqual(asked);
        expect(windows.at(-1)).toEqual(validationDaysOf(some)[0]);
        windows.forEach(({ trialFrom, trialDays, gapDays, validationFrom, validationDays }, at) => {
          expect(trialFrom + trialDays + gapDays).toBe(validationFrom);
          expect(validationFrom + validationDays).toBe(windows[at + 1]?.validationFrom ?? 100 + trainDays);
          if (at < windows.length - 1) expect(trialDays).toBeGreaterThanOrEqual(2 * validationDays);
        });
      },
    ),
  );
});

test('the trials are judged as the test is: a card whose fraud was known by then is left out', () => {
  const long: Split = { trainStartDay: 60, trainDays: 7, historyDays: 60, delayDays: 7, testDays: 7 };
  const days = [50, 61, 61];
  const [window] = validationDaysOf(long);
  if (window === undefined) throw new Error('no window');
  const { validationRows: judging } = validationRows({ days, cards: [1, 1, 2], frauds: [1, 0, 0] }, long, window);
  expect([...judging]).toEqual([2]);
});
