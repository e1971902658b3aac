/**
 * Which payments a model learns from and which it is judged by: the handbook's prequential split. Train days, then a delay
 * in which labels are still unknown, then test days. On each test day the cards are left out that are known to be
 * compromised: those with a fraud in the train days, or in the days whose labels have become known since.
 */
import type { ValidationWindow } from './procedure.ts';

export interface Split {
  /** Day number of the first train day. */
  readonly trainStartDay: number;
  readonly trainDays: number;
  /**
   * Days to learn from that end with the train days, where they are more: older history, whose labels are known. The test
   * payments stay those of the train days.
   */
  readonly historyDays: number;
  /** Days until a label is known. */
  readonly delayDays: number;
  readonly testDays: number;
}

/** A history of payments in time order, a column each. */
export interface LabelledHistory {
  /** Whole days since the Unix epoch, UTC. */
  readonly days: ArrayLike<number>;
  readonly cards: ArrayLike<number>;
  readonly frauds: ArrayLike<number>;
}

export interface SplitRows {
  /** Row numbers of the history. */
  readonly train: Int32Array;
  readonly test: Int32Array;
}

export const splitDaysMax = 366;

/** The first day to learn from. */
export const learnFromDay = ({ trainStartDay, trainDays, historyDays }: Split): number =>
  trainStartDay + trainDays - Math.max(trainDays, historyDays);
export const testStartDayOf = ({ trainStartDay, trainDays, delayDays }: Split): number =>
  trainStartDay + trainDays + delayDays;

function rowsOfDays(history: LabelledHistory, from: number, end: number): Int32Array {
  const rows: number[] = [];
  for (let row = 0; row < history.days.length; row++) {
    const day = history.days[row] ?? 0;
    if (day >= from && day < end) rows.push(row);
  }
  return Int32Array.from(rows);
}

/** The rows of the split. Rows outside of the history are simply not there: check the lengths. */
export function splitRows(history: LabelledHistory, split: Split): SplitRows {
  const { trainStartDay, trainDays, delayDays, testDays } = split;
  const trainEndDay = trainStartDay + trainDays;
  const testStartDay = testStartDayOf(split);
  /** Day from which on a card is known to be compromised. */
  const knownFrom = new Map<number, number>();
  for (let row = 0; row < history.days.length; row++) {
    const day = history.days[row] ?? 0;
    if (history.frauds[row] !== 1 || day < trainStartDay) continue;
    const from = day < trainEndDay ? testStartDay : day + 1 + delayDays;
    const card = history.cards[row] ?? 0;
    knownFrom.set(card, Math.min(from, knownFrom.get(card) ?? from));
  }
  const isOpen = (row: number): boolean =>
    (history.days[row] ?? 0) < (knownFrom.get(history.cards[row] ?? 0) ?? Number.POSITIVE_INFINITY);
  return {
    train: rowsOfDays(history, learnFromDay(split), trainEndDay),
    test: rowsOfDays(history, testStartDay, testStartDay + testDays).filter(isOpen),
  };
}

/** The days inside the training period that settings are judged by, and those that the trials learn from. */
export interface ValidationDays {
  readonly trialFrom: number;
  readonly trialDays: number;
  /** Days left out between them, since their labels would not have been known; 0 where the period is too short for that. */
  readonly gapDays: number;
  readonly validationFrom: number;
  readonly validationDays: number;
}

const validationDaysMax = 7;
/** A trial learns from so many times the days it is judged by, at least. */
const trialFactorMin = 2;

/**
 * Successive windows at the period's end, in time order: each a quarter of the period, at most a week, the last one ending with it, and
 * each judging what learned from all days before it (less the gap). As many as asked for, or as fit.
 */
export function validationDaysOf(split: Split, windows = 1): readonly ValidationDays[] {
  const trialFrom = learnFromDay(split);
  const end = split.trainStartDay + split.trainDays;
  const days = end - trialFrom;
  const validationDays = Math.max(1, Math.min(validationDaysMax, Math.floor(days / 4)));
  const rest = days - validationDays;
  const gapDays = rest - split.delayDays >= trialFactorMin * validationDays ? split.delayDays : 0;
  const all = Array.from({ length: windows }, (_, back) => ({
    trialFrom,
    trialDays: rest - gapDays - back * validationDays,
    gapDays,
    validationFrom: end - (back + 1) * validationDays,
    validationDays,
  }));
  return all.filter(({ trialDays }, back) => back === 0 || trialDays >= trialFactorMin * validationDays).reverse();
}

/** Rows for the trials of one window. As with the test, cards known to be compromised are left out. */
export function validationRows(
  history: LabelledHistory,
  split: Split,
  { trialFrom, trialDays, gapDays, validationFrom, validationDays }: ValidationDays,
): ValidationWindow {
  const inner: Split = {
    trainStartDay: Math.max(trialFrom, validationFrom - gapDays - split.trainDays),
    trainDays: Math.min(split.trainDays, trialDays),
    historyDays: trialDays,
    delayDays: gapDays,
    testDays: validationDays,
  };
  const { train, test } = splitRows(history, inner);
  return { trialRows: train, validationRows: test };
}
