import { bucketEnd, bucketLoose, bucketStart } from './buckets.ts';
import type { BucketWindow } from './bucketWindow.ts';
import { type Estimate, exactly } from './estimate.ts';
import type { StateCell } from './state.ts';

const millisPerSecond = 1000;

/**
 * Seconds since the last event before a moment that lies in the folded part: exact at the end of a bucket, inside of one
 * anything since it began. @param window says there whether nothing is known
 */
export function lastInBuckets(cell: StateCell, timeMs: number, window: BucketWindow): Estimate {
  window.unknown = false;
  const ago = (ms: number): number => (timeMs - ms) / millisPerSecond;
  for (let b = cell.bucketCount - 1; b >= 0; b--) {
    const at = cell.bucketAt(b);
    const [startMs, endMs] = [bucketStart(cell, at), bucketEnd(cell, at)];
    if (startMs >= timeMs) continue;
    // What was taken out of a bucket may have been its first or last event.
    if (bucketLoose(cell, at)) window.unknown = true;
    if (endMs < timeMs) return exactly(ago(endMs));
    return { value: ago(startMs) / 2, low: ago(timeMs - 1), high: ago(startMs) };
  }
  window.unknown = cell.dropped;
  return exactly(Number.NaN);
}
