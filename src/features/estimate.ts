import { unboundedBound } from './derived.ts';

/** What rounding can take from a number, as a share of it; bounds of rounded values are widened by it. */
export const roundingShare = 2 ** -50;

/** An interval that is known to hold the truth, and the value reported. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

export function exactly(value: number): Estimate {
  return { value, low: value, high: value };
}

/** The bound of a value in an interval: its distance to the farther end. */
export function boundOf({ value, low, high }: Estimate): number {
  // Surely missing is known as well as any number.
  if (Number.isNaN(value)) return Number.isNaN(low) && Number.isNaN(high) ? 0 : unboundedBound;
  const bound = Math.max(high - value, value - low, 0);
  return Number.isFinite(bound) ? bound : unboundedBound;
}
