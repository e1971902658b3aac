/**
 * Counts of unusual amounts: of the payments of a window those whose amount lies above what is usual for the entity, that
 * is `factor` times the mean of a reference window, or `factor` deviations above it, both as of the evaluated payment.
 * Counted in one walk over the records of the longest window for all thresholds of an entity.
 */
import type { Threshold, UnusualLane } from './plan.ts';
import type { StateCell } from './state.ts';

/** What a definition of `unusual` compares amounts with. */
export interface UnusualRule {
  readonly kind: 'timesMean' | 'deviations';
  readonly factor: number;
  readonly referenceMs: number;
  /** How long before the end of the counted window the reference window ends. */
  readonly referenceDelayMs: number;
}

const factorSteps = 100;

/** Factors have at most two decimals, so that names and thresholds say the same. */
export function isFactor(factor: number): boolean {
  return Math.round(factor * factorSteps) / factorSteps === factor;
}

/** A factor as names write it: 3, 1p5 (a dot would end a name's part). */
export function formatFactor(factor: number): string {
  return String(factor).replace('.', 'p');
}

/** The amount above which one is unusual; NaN where the reference window is empty. */
export function thresholdAmount({ factor, deviation }: Threshold, mean: number, spread: number): number {
  return deviation === undefined ? factor * mean : mean + factor * spread;
}

/**
 * `results[slot]` for each threshold and start of the lane.
 * @param amounts the thresholds' amounts, NaN where they are not known: then nothing can be said of the count, it is NaN too
 * @param counts room for as many
 */
export function countUnusual(
  cell: StateCell,
  lane: UnusualLane,
  cursors: Int32Array,
  stop: number,
  amounts: Float64Array,
  counts: Int32Array,
  results: Float64Array,
): void {
  const { mask, starts, slot } = lane;
  const size = lane.thresholds.length;
  let lowest = Number.POSITIVE_INFINITY;
  for (let t = 0; t < size; t++) {
    counts[t] = 0;
    if ((amounts[t] as number) < lowest) lowest = amounts[t] as number;
  }
  let i = stop - 1;
  for (let k = 0; k < starts.length; k++) {
    const first = cursors[starts[k] as number] as number;
    for (; i >= first; i--) {
      const amount = cell.amountOf(i);
      if (amount <= lowest || (mask !== 0 && (cell.flagsAt(i) & mask) !== mask)) continue;
      for (let t = 0; t < size; t++) if (amount > (amounts[t] as number)) counts[t] = (counts[t] as number) + 1;
    }
    for (let t = 0; t < size; t++) {
      results[slot + t * starts.length + k] = Number.isNaN(amounts[t]) ? Number.NaN : (counts[t] as number);
    }
  }
}
