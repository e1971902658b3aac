/**
 * Which payments a model learns from and which it is judged by: the handbook's prequential split. Train days, then a delay
 * in which labels are still unknown, then test days. On each test day the cards are left out that are known to be
 * compromised: those with a fraud in the train days, or in the days whose labels have become known since.
 */
export interface Split {
  /** Day number of the first train day. */
  readonly trainStartDay: number;
  readonly trainDays: number;
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
  readonly train: readonly number[];
  readonly test: readonly number[];
}

export const splitDaysMax = 366;

/** The rows of the split. Rows outside of the history are simply not there: check the lengths. */
export function splitRows(history: LabelledHistory, split: Split): SplitRows {
  const { trainStartDay, trainDays, delayDays, testDays } = split;
  const trainEndDay = trainStartDay + trainDays;
  const testStartDay = trainEndDay + delayDays;
  const train: number[] = [];
  /** Day from which on a card is known to be compromised. */
  const knownFrom = new Map<number, number>();
  const testRows: number[] = [];
  for (let row = 0; row < history.days.length; row++) {
    const day = history.days[row] ?? 0;
    if (day >= trainStartDay && day < trainEndDay) train.push(row);
    if (day >= testStartDay && day < testStartDay + testDays) testRows.push(row);
    if (history.frauds[row] === 1 && day >= trainStartDay) {
      const from = day < trainEndDay ? testStartDay : day + 1 + delayDays;
      const card = history.cards[row] ?? 0;
      knownFrom.set(card, Math.min(from, knownFrom.get(card) ?? from));
    }
  }
  const test = testRows.filter(
    (row) => (history.days[row] ?? 0) < (knownFrom.get(history.cards[row] ?? 0) ?? Infinity),
  );
  return { train, test };
}
