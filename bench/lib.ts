/** What every benchmark shares: the contract's JSON line, the median, interleaved rounds. */
import { wrongUsage } from '../src/config/exit.ts';

export interface Metric {
  readonly bench: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly ratio_to?: string;
  readonly ratio?: number;
  readonly n: number;
  /** Smallest and largest. */
  readonly spread: readonly [number, number];
  /** What else tells this line from others of the same metric: rate, batch, backend. */
  readonly [parameter: string]: unknown;
}

const significantDigits = 4;
const shortened = (value: number): number => Number(value.toPrecision(significantDigits));

/** Prints one metric as one JSON line on stdout. */
export function printMetric(metric: Metric): void {
  const line = {
    ...metric,
    value: shortened(metric.value),
    ...(metric.ratio === undefined ? {} : { ratio: shortened(metric.ratio) }),
    spread: metric.spread.map(shortened),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The middle value; the mean of the two middle ones where their number is even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Smallest and largest. */
export const rangeOf = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)];

/** A size that the environment may make smaller, for a quick look. */
export function sizeOf(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw wrongUsage(`${name} must be a whole number from 1 on`);
  return value;
}
