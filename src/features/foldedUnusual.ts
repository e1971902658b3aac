import { bucketMaybe } from './buckets.ts';
import type { BucketWindow } from './bucketWindow.ts';
import { type Estimate, exactly } from './estimate.ts';
import type { Evaluation } from './evaluation.ts';
import { laneTypes, type Op } from './plan.ts';
import type { StateCell } from './state.ts';

/**
 * How many amounts of a window lie above a limit that is itself known between bounds. Of a bucket only its smallest and
 * largest amounts are known: it counts wholly, not at all, or anything between.
 * @param window classified for the counted window
 */
export function unusualEstimate(
  cell: StateCell,
  evaluation: Evaluation,
  window: BucketWindow,
  op: Op,
  limit: Estimate,
): Estimate {
  const count = exactly(0);
  for (let i = evaluation.startOf(op); i < evaluation.stopOf(op); i++) {
    if ((cell.flagsAt(i) & op.mask) !== op.mask) continue;
    const amount = cell.amountOf(i);
    if (amount > limit.value) count.value++;
    if (amount > limit.high) count.low++;
    if (amount > limit.low) count.high++;
  }
  const minAt = window.quantityAt(laneTypes.min, 0);
  const maxAt = window.quantityAt(laneTypes.max, 0);
  window.each((at, share, cut) => {
    const events = window.eventsOf(at);
    const min = cell.view.getFloat64(at + minAt, true);
    if (cell.view.getFloat64(at + maxAt, true) <= limit.low) return;
    count.high += events;
    if (min > limit.value) count.value += Math.round(share * events);
    if (min > limit.high && !cut) count.low += Math.max(0, events - bucketMaybe(cell, at));
  });
  if (Number.isNaN(limit.value)) count.value = Number.NaN;
  return count;
}
