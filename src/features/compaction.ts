import { bucketEnd, bucketStart, fillBucket, mergeBuckets } from './buckets.ts';
import { dropOldest, stateBytesOf } from './ring.ts';
import { bucketsMax, headerBytes, type StateCell } from './state.ts';

/** Windows of events up to this late lie wholly in what is kept; of later ones the bound is reported. */
export const lateExactMs = 86_400_000;
/** A full ring gives its oldest eighth away at once, so that folding is rare. */
const foldedShare = 8;

/** Nothing older than this is needed for exact features. */
function keepSinceMs(cell: StateCell, newestMs: number): number {
  return newestMs - cell.plan.reachMs - lateExactMs;
}

/** Records no window needs any more, all but the newest; counted only when it is worth the work. */
export function expiredRecords(cell: StateCell, newestMs: number): number {
  const expired = Math.min(cell.upperBound(keepSinceMs(cell, newestMs)), cell.count - 1);
  return expired * foldedShare >= cell.count ? Math.max(0, expired) : 0;
}

/** Forgets the oldest n records and everything before them. */
export function dropHistory(cell: StateCell, n: number): void {
  const completeSinceMs = cell.timeAt(n - 1);
  dropOldest(cell, n);
  removeBuckets(cell, cell.bucketCount);
  cell.dropped = true;
  cell.writeShape();
  cell.completeSinceMs = completeSinceMs;
}

/** How many of the oldest records are folded when the ring is full: whole milliseconds where that is possible. */
function foldSize(cell: StateCell): number {
  let n = Math.max(1, Math.floor(cell.count / foldedShare));
  const most = Math.max(1, cell.count >> 1);
  while (n < most && cell.timeAt(n) === cell.timeAt(n - 1)) n++;
  return n;
}

/** Bytes the state needs to fold: a bucket may be larger than the records it replaces. */
export function foldingBytes(cell: StateCell): number {
  const buckets = Math.min(bucketsMax, cell.bucketCount + 1);
  return stateBytesOf(cell.plan.bucketBytes, buckets, cell.count, cell.stride);
}

/** Folds the oldest records into a bucket; the block must have room for `foldingBytes`. */
export function foldOldest(cell: StateCell, newestMs: number): void {
  dropOldBuckets(cell, newestMs);
  if (cell.bucketCount === bucketsMax) mergeClosest(cell, newestMs);
  const n = foldSize(cell);
  const completeSinceMs = cell.timeAt(n - 1);
  insertBucket(cell);
  fillBucket(cell, cell.bucketAt(cell.bucketCount - 1), n);
  dropOldest(cell, n);
  cell.completeSinceMs = completeSinceMs;
}

/** Makes place for one more bucket after the others. */
function insertBucket(cell: StateCell): void {
  const { recordsAt } = cell;
  cell.setShape(cell.amountBytes, cell.bucketCount + 1, cell.dropped);
  cell.bytes.copyWithin(cell.recordsAt, recordsAt, recordsAt + cell.count * cell.stride);
  cell.writeShape();
}

/** Removes the oldest n buckets. */
function removeBuckets(cell: StateCell, n: number): void {
  if (n === 0) return;
  const end = cell.recordsAt + cell.count * cell.stride;
  const first = cell.base + headerBytes;
  cell.bytes.copyWithin(first, first + n * cell.plan.bucketBytes, end);
  cell.setShape(cell.amountBytes, cell.bucketCount - n, cell.dropped);
  cell.writeShape();
}

function dropOldBuckets(cell: StateCell, newestMs: number): void {
  const since = keepSinceMs(cell, newestMs);
  let n = 0;
  while (n < cell.bucketCount && bucketEnd(cell, cell.bucketAt(n)) <= since) n++;
  if (n === 0) return;
  removeBuckets(cell, n);
  cell.dropped = true;
  cell.writeShape();
}

/** Merges the two neighbours that together are short for their age: recent time stays finely divided. */
function mergeClosest(cell: StateCell, newestMs: number): void {
  let best = 0;
  let bestShare = Number.POSITIVE_INFINITY;
  for (let b = 0; b + 1 < cell.bucketCount; b++) {
    const startMs = bucketStart(cell, cell.bucketAt(b));
    const endMs = bucketEnd(cell, cell.bucketAt(b + 1));
    const share = (endMs - startMs + 1) / (newestMs - startMs + 1);
    if (share < bestShare) {
      best = b;
      bestShare = share;
    }
  }
  mergeBuckets(cell, cell.bucketAt(best), cell.bucketAt(best + 1));
  const gap = cell.bucketAt(best + 1);
  const end = cell.recordsAt + cell.count * cell.stride;
  cell.bytes.copyWithin(gap, gap + cell.plan.bucketBytes, end);
  cell.setShape(cell.amountBytes, cell.bucketCount - 1, cell.dropped);
  cell.writeShape();
}
