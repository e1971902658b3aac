import { integerSets, uniteBuckets } from './codeColumn.ts';
import type { ColumnTest } from './predicate.ts';
import { nextUp } from './predicate.ts';
import type { ColumnEvaluator } from './testMasks.ts';

type OrderTest = ColumnTest & { kind: 'atLeast' | 'below' };
type MemberTest = ColumnTest & { kind: 'numberIn' };
type NumberTest = OrderTest | MemberTest;

export interface BoundNumberColumn {
  readonly evaluate: ColumnEvaluator;
  /** Mask slot of each test, in the tests' order. */
  readonly slots: readonly number[];
  readonly nextSlot: number;
}

/** Counts, hours and flags are small integers: their bucket is looked up instead of searched. */
const smallIntegers = 256;

function thresholdsOf(tests: readonly NumberTest[]): Float64Array {
  const cuts = new Set<number>();
  for (const test of tests) {
    if (test.kind === 'numberIn') for (const value of test.values) cuts.add(value).add(nextUp(value));
    else cuts.add(test.threshold);
  }
  return Float64Array.from(cuts).sort();
}

/** Thresholds with a NaN tail up to a power of two, so that the search needs neither bounds nor branches. */
function padded(thresholds: Float64Array): Float64Array {
  let size = 1;
  while (size <= thresholds.length) size *= 2;
  const out = new Float64Array(size).fill(Number.NaN);
  out.set(thresholds);
  return out;
}

/** How many thresholds are at most `x`; 0 for NaN. */
function rankIn(search: Float64Array, x: number): number {
  let rank = 0;
  for (let step = search.length >> 1; step > 0; step >>= 1) {
    rank += step & -Number((search[rank + step - 1] as number) <= x);
  }
  return rank;
}

/** `fill` is a call into the runtime: dear for a few elements, cheap for many. */
const fillFrom = 64;

function setRange(array: Int32Array, from: number, to: number, value: number): void {
  if (to - from >= fillFrom) array.fill(value, from, to);
  else for (let i = from; i < to; i++) array[i] = value;
}

function bucketOf(ranks: Int32Array, search: Float64Array, x: number): number {
  const small = x | 0;
  if (small === x && small >= 0 && small < smallIntegers) return ranks[small] as number;
  return rankIn(search, x);
}

/**
 * All tests of one numeric column. Their thresholds cut the number line into buckets, each row is dropped into its bucket
 * once, and every test is then a run of buckets: `>= t` all from one on, `< t` the others without the missing, `equal` a
 * single one. So a thousand thresholds cost little more than one.
 */
export function numberColumn(column: number, tests: readonly NumberTest[], firstSlot: number): BoundNumberColumn {
  const thresholds = thresholdsOf(tests);
  const count = thresholds.length;
  const below = tests.filter((test): test is OrderTest => test.kind === 'below');
  const members = tests.filter((test): test is MemberTest => test.kind === 'numberIn');
  // Slots: `>= threshold` for each threshold in order, then the `<` tests, then the `in` tests.
  const belowSlot = firstSlot + count;
  const memberSlot = belowSlot + below.length;
  const complements = Int32Array.from(below, (test) => firstSlot + thresholds.indexOf(test.threshold));
  const sets = integerSets(members.map((test) => test.values.map((value) => thresholds.indexOf(value) + 1)));
  const search = padded(thresholds);
  const ranks = Int32Array.from({ length: smallIntegers }, (_, x) => rankIn(search, x));
  const buckets = new Int32Array(count + 1);

  /** One row: its tests are true up to its rank and false from there on. */
  function evaluateRow(x: number, masks: Int32Array): void {
    const rank = bucketOf(ranks, search, x);
    setRange(masks, firstSlot, firstSlot + rank, -1);
    setRange(masks, firstSlot + rank, belowSlot, 0);
    buckets[rank] = Number.isNaN(x) ? 0 : 1;
    finish(Number.isNaN(x) ? 0 : 1, masks);
    buckets[rank] = 0;
  }

  function finish(present: number, masks: Int32Array): void {
    for (let i = 0; i < complements.length; i++) {
      masks[belowSlot + i] = ~(masks[complements[i] as number] as number) & present;
    }
    if (members.length > 0) uniteBuckets(sets, buckets, masks, memberSlot);
  }

  const evaluate: ColumnEvaluator = function evaluateNumbers(frame, from, to, masks) {
    const values = frame.numbers[column] as Float64Array;
    if (to - from === 1) {
      evaluateRow(values[from] as number, masks);
      return;
    }
    setRange(buckets, 0, count + 1, 0);
    let present = 0;
    for (let row = from, bit = 1; row < to; row++, bit <<= 1) {
      const x = values[row] as number;
      const small = x | 0;
      let bucket: number;
      if (small === x && small >= 0 && small < smallIntegers) bucket = ranks[small] as number;
      else if (Number.isNaN(x)) continue;
      else bucket = rankIn(search, x);
      present |= bit;
      buckets[bucket] = (buckets[bucket] as number) | bit;
    }
    let bits = 0;
    const first = firstSlot - 1;
    for (let k = count; k > 0; k--) {
      bits |= buckets[k] as number;
      masks[first + k] = bits;
    }
    finish(present, masks);
  };

  const slots = tests.map((test) => {
    if (test.kind === 'numberIn') return memberSlot + members.indexOf(test);
    if (test.kind === 'below') return belowSlot + below.indexOf(test);
    return firstSlot + thresholds.indexOf(test.threshold);
  });
  return { evaluate, slots, nextSlot: memberSlot + members.length };
}
