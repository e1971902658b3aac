import type { ValueSets } from './common.ts';
import { labelRunValue } from './labelRuns.ts';
import { runLane } from './lanes.ts';
import { type EntityPlan, type Op, opCodes, type UnusualLane } from './plan.ts';
import { noTime, type StateCell } from './state.ts';
import { standardDeviation } from './stddev.ts';
import { countUnusual, thresholdAmount } from './unusual.ts';

// Copies: what a module imports is looked up anew at every use, what is its own is known to the compiler.
const {
  count: countOp,
  sum: sumOp,
  mean: meanOp,
  stddev: stddevOp,
  fraudRate: fraudRateOp,
  sinceLast: sinceLastOp,
  sinceFirst: sinceFirstOp,
  isFirst: isFirstOp,
  fraudRun: fraudRunOp,
  sinceLastInRole: sinceLastInRoleOp,
  sinceFirstInRole: sinceFirstInRoleOp,
  isFirstInRole: isFirstInRoleOp,
} = opCodes;
const never = noTime;
const two32 = 4294967296;
const millisPerSecond = 1000;
/** Up to so many records the cursors are found by walking; from there by halving. */
const walkRecordsMax = 32;

/** Scratch of one plan's evaluation: cursors of the boundaries and results of the lanes. */
export class Evaluation {
  readonly plan: EntityPlan;
  readonly cursors: Int32Array;
  readonly results: Float64Array;
  readonly #thresholds: Float64Array;
  readonly #counts: Int32Array;
  timeMs = 0;
  /** One past the record of the payment itself. */
  end = 0;
  /** The payment lies before everything that is kept as a record: it has none of its own. */
  folded = false;
  /** No event of the entity came before it; decides `isFirst` where `folded`. */
  first = false;

  constructor(plan: EntityPlan) {
    this.plan = plan;
    this.cursors = new Int32Array(plan.boundaries.length);
    this.results = new Float64Array(plan.slotCount);
    const thresholds = plan.unusual.reduce((most, lane) => Math.max(most, lane.thresholds.length), 0);
    this.#thresholds = new Float64Array(thresholds);
    this.#counts = new Int32Array(thresholds);
  }

  /** Cursors and lanes as of record `position`, from the records alone. */
  run(cell: StateCell, position: number): void {
    this.runAt(cell, cell.timeAt(position), position + 1);
  }

  /** The same for an event of `timeMs` that comes after the first `end` records. */
  runAt(cell: StateCell, timeMs: number, end: number): void {
    this.timeMs = timeMs;
    this.end = end;
    seekCursors(cell, timeMs, end, this.plan.boundaries, this.cursors);
    const { lanes } = this.plan;
    for (let l = 0; l < lanes.length; l++) {
      const lane = lanes[l] as (typeof lanes)[number];
      runLane(cell, lane, this.cursors, lane.stop < 0 ? end : (this.cursors[lane.stop] as number), this.results);
    }
  }

  /** Counts what is unusual; the lanes must have been run, or read, before. */
  countUnusual(cell: StateCell): void {
    const { unusual } = this.plan;
    for (let l = 0; l < unusual.length; l++) {
      const lane = unusual[l] as UnusualLane;
      for (let t = 0; t < lane.thresholds.length; t++) {
        const threshold = lane.thresholds[t] as (typeof lane.thresholds)[number];
        const spread = threshold.deviation === undefined ? 0 : this.valueOf(cell, threshold.deviation);
        this.#thresholds[t] = thresholdAmount(threshold, this.valueOf(cell, threshold.mean), spread);
      }
      const stop = lane.stop < 0 ? this.end : (this.cursors[lane.stop] as number);
      countUnusual(cell, lane, this.cursors, stop, this.#thresholds, this.#counts, this.results);
    }
  }

  /** Writes the features of the plan, all exact, to `values[at + feature]`. */
  write(cell: StateCell, values: Float64Array, at: number): void {
    const { ops, unusual } = this.plan;
    if (unusual.length > 0) this.countUnusual(cell);
    for (let o = 0; o < ops.length; o++) {
      const op = ops[o] as Op;
      values[at + op.feature] = this.valueOf(cell, op);
    }
  }

  /** Hands on the values that `plan.gathers` names; the cursors must have been set before. */
  gather(cell: StateCell, sets: ValueSets): void {
    for (const each of this.plan.gathers) sets.gather(each, cell, this);
  }

  stopOf(op: Op): number {
    return op.stop < 0 ? this.end : (this.cursors[op.stop] as number);
  }

  startOf(op: Op): number {
    return this.cursors[op.start] as number;
  }

  /** Records in the window that count for the feature. */
  countOf(op: Op): number {
    if (op.countSlot >= 0) return this.results[op.countSlot] as number;
    return this.stopOf(op) - this.startOf(op);
  }

  sumOf(op: Op): number {
    return (this.results[op.slot + 1] as number) * two32 + (this.results[op.slot] as number);
  }

  valueOf(cell: StateCell, op: Op): number {
    switch (op.code) {
      case countOp:
        return this.countOf(op);
      case sumOp:
        return this.sumOf(op);
      case meanOp:
        // 0 ÷ 0 is NaN: the mean of nothing is missing.
        return this.sumOf(op) / this.countOf(op);
      case fraudRateOp: {
        const count = this.countOf(op);
        return count === 0 ? 0 : (this.results[op.slot] as number) / count;
      }
      case stddevOp:
        return this.#deviation(cell, op);
      case sinceLastOp:
        return this.#sinceLast(cell);
      case sinceFirstOp:
        return (this.timeMs - cell.firstSeenMs) / millisPerSecond;
      case isFirstOp:
        return (this.folded ? this.first : this.end === 1 && this.timeMs <= cell.firstSeenMs) ? 1 : 0;
      case sinceLastInRoleOp:
        return this.end > 0 ? (this.timeMs - cell.timeAt(this.end - 1)) / millisPerSecond : Number.NaN;
      case sinceFirstInRoleOp:
        return this.#wasSeen(cell) ? (this.timeMs - cell.firstSeenMs) / millisPerSecond : Number.NaN;
      case isFirstInRoleOp:
        return this.#wasSeen(cell) ? 0 : 1;
      default: {
        const result = this.results[op.slot] as number;
        if (op.code < fraudRunOp) return result;
        return labelRunValue(cell, op, this.timeMs, this.startOf(op), this.stopOf(op), result);
      }
    }
  }

  #deviation(cell: StateCell, op: Op): number {
    const count = this.countOf(op);
    if (count === 0) return Number.NaN;
    const low = this.results[op.squaresSlot] as number;
    if (cell.amountBytes === 7) return Math.sqrt(low / count);
    return standardDeviation(count, this.sumOf(op), low, this.results[op.squaresSlot + 1] as number);
  }

  #wasSeen({ firstSeenMs }: StateCell): boolean {
    return firstSeenMs !== never && firstSeenMs < this.timeMs;
  }

  #sinceLast(cell: StateCell): number {
    return this.end > 1 ? (this.timeMs - cell.timeAt(this.end - 2)) / millisPerSecond : Number.NaN;
  }
}

/** For each boundary the index of the first record later than `timeMs − boundary`, among those before `end`. */
function seekCursors(
  cell: StateCell,
  timeMs: number,
  end: number,
  boundaries: Float64Array,
  cursors: Int32Array,
): void {
  let i = end;
  for (let b = 0; b < boundaries.length; b++) {
    const bound = timeMs - (boundaries[b] as number);
    if (i > walkRecordsMax) i = firstAfter(cell, bound, i);
    else while (i > 0 && cell.timeAt(i - 1) > bound) i--;
    cursors[b] = i;
  }
}

function firstAfter(cell: StateCell, bound: number, end: number): number {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cell.timeAt(middle) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
