/**
 * The handbook's twelve windowed features by definition, sharing nothing with src/features: each customer and terminal is a
 * plain list of its payments in time order, a window is found in it by halving and its payments are gone through one by one.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
export const delayMs = 7 * dayMs;
const windowsMs = [dayMs, 7 * dayMs, 30 * dayMs];
const firstMs = Date.UTC(2018, 3, 1);

export interface HandbookRow {
  readonly id: string;
  readonly timeMs: number;
  readonly customer: string;
  readonly terminal: string;
  readonly amountMinor: number;
  readonly fraud: boolean;
}

/** The file's rows as they stand. */
export async function* handbookRows(path: string): AsyncGenerator<HandbookRow> {
  const lines = createInterface({ input: createReadStream(path).pipe(createGunzip()) });
  let header = true;
  for await (const line of lines) {
    const [id, , customer, terminal, amount, seconds, , fraud] = line.split(',');
    if (!header) {
      yield {
        id: id ?? '',
        timeMs: firstMs + Number(seconds) * 1000,
        customer: customer ?? '',
        terminal: terminal ?? '',
        amountMinor: Math.round(Number(amount) * 100),
        fraud: fraud === '1',
      };
    }
    header = false;
  }
}

/** Payments of one customer or terminal in order of time; those of one moment in the order of the file. */
interface Past {
  readonly timesMs: number[];
  readonly amounts: number[];
  readonly frauds: boolean[];
}

export class HandbookOracle {
  readonly #customers = new Map<string, Past>();
  readonly #terminals = new Map<string, Past>();

  /** Adds the row; answers its features in the order of `handbookNames`. */
  add(row: HandbookRow): number[] {
    const customer = push(this.#customers, row.customer, row);
    const terminal = push(this.#terminals, row.terminal, row);
    const counts: number[] = [];
    const means: number[] = [];
    const terminalCounts: number[] = [];
    const rates: number[] = [];
    for (const windowMs of windowsMs) {
      const [from, to] = between(customer.timesMs, row.timeMs - windowMs, row.timeMs);
      let sum = 0;
      for (let i = from; i < to; i++) sum += customer.amounts[i]!;
      counts.push(to - from);
      means.push(sum / (to - from));
      const endMs = row.timeMs - delayMs;
      const [first, end] = between(terminal.timesMs, endMs - windowMs, endMs);
      let frauds = 0;
      for (let i = first; i < end; i++) frauds += terminal.frauds[i] === true ? 1 : 0;
      terminalCounts.push(end - first);
      rates.push(end === first ? 0 : frauds / (end - first));
    }
    return [...counts, ...means, ...terminalCounts, ...rates];
  }
}

const spans = ['24h', '7d', '30d'];
export const handbookNames = [
  ...spans.map((span) => `customer.count.${span}`),
  ...spans.map((span) => `customer.mean.amountMinor.${span}`),
  ...spans.map((span) => `terminal.count.${span}.delay7d`),
  ...spans.map((span) => `terminal.fraudRate.${span}.delay7d`),
];

function push(pasts: Map<string, Past>, key: string, row: HandbookRow): Past {
  let past = pasts.get(key);
  if (past === undefined) {
    past = { timesMs: [], amounts: [], frauds: [] };
    pasts.set(key, past);
  }
  past.timesMs.push(row.timeMs);
  past.amounts.push(row.amountMinor);
  past.frauds.push(row.fraud);
  return past;
}

/** Indexes of the payments in (fromMs, toMs]: first, and one past the last. */
function between(timesMs: readonly number[], fromMs: number, toMs: number): [number, number] {
  return [laterThan(timesMs, fromMs), laterThan(timesMs, toMs)];
}

function laterThan(timesMs: readonly number[], timeMs: number): number {
  let low = 0;
  let high = timesMs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timesMs[middle]! <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
