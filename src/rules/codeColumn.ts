import type { ColumnEvaluator } from './testMasks.ts';

/** Sets of integers, one after another: set i is `members[starts[i]] … members[starts[i + 1] − 1]`. */
export interface IntegerSets {
  readonly starts: Int32Array;
  readonly members: Int32Array;
}

export function integerSets(sets: readonly (readonly number[])[]): IntegerSets {
  const starts = new Int32Array(sets.length + 1);
  sets.forEach((set, i) => {
    starts[i + 1] = (starts[i] as number) + set.length;
  });
  return { starts, members: Int32Array.from(sets.flat()) };
}

/** Mask `firstSlot + i` becomes the union of the buckets in set i. */
export function uniteBuckets(sets: IntegerSets, buckets: Int32Array, masks: Int32Array, firstSlot: number): void {
  const { starts, members } = sets;
  let at = 0;
  for (let set = 0; set < starts.length - 1; set++) {
    let bits = 0;
    for (const end = starts[set + 1] as number; at < end; at++) bits |= buckets[members[at] as number] as number;
    masks[firstSlot + set] = bits;
  }
}

/**
 * A categorical column: each row is dropped into its code's bucket, and a test is a union of buckets. Codes that no test
 * names share bucket 0, so the cost does not depend on the size of the vocabulary.
 * @param codes the codes of each test, whose slots are `firstSlot`, `firstSlot + 1`, …
 */
export function codeColumn(
  column: number,
  codeCount: number,
  codes: readonly (readonly number[])[],
  firstSlot: number,
): ColumnEvaluator {
  const bucketOf = new Int32Array(codeCount);
  let bucketCount = 1;
  for (const code of codes.flat()) {
    if (bucketOf[code] === 0) bucketOf[code] = bucketCount++;
  }
  const sets = integerSets(codes.map((of) => of.map((code) => bucketOf[code] as number)));
  const buckets = new Int32Array(bucketCount);

  return function evaluateCodes(frame, from, to, masks) {
    const values = frame.codes[column] as Int32Array;
    for (let i = 0; i < bucketCount; i++) buckets[i] = 0;
    for (let row = from; row < to; row++) {
      const bucket = bucketOf[values[row] as number] as number;
      buckets[bucket] = (buckets[bucket] as number) | (1 << (row - from));
    }
    uniteBuckets(sets, buckets, masks, firstSlot);
  };
}
