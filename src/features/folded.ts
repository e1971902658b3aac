import {
  bitCount,
  bitmapAt,
  bitmapBits,
  bitOf,
  bucketEnd,
  bucketEvents,
  bucketLabels,
  bucketLoose,
  bucketMaybe,
  bucketOf,
  bucketStart,
  distinctHighAt,
  distinctLowAt,
  pairHigh,
  pairLow,
} from './buckets.ts';
import { BucketWindow } from './bucketWindow.ts';
import { unboundedBound } from './derived.ts';
import { boundOf, type Estimate, exactly, roundingShare } from './estimate.ts';
import type { Evaluation } from './evaluation.ts';
import { lastInBuckets } from './foldedLast.ts';
import { labelRunEstimate } from './foldedRuns.ts';
import { unusualEstimate } from './foldedUnusual.ts';
import { fraudBit, laneTypes, type Op, opCodes } from './plan.ts';
import { amountWidths, type StateCell } from './state.ts';
import { standardDeviation } from './stddev.ts';
import { thresholdAmount } from './unusual.ts';

/**
 * Features whose window reaches beyond the records, from records and buckets. A bucket wholly in the window counts as it
 * is; of one that the window cuts, anything between nothing and all of it may be inside: the value takes the share of its
 * time, the bound is what that can be wrong by. Every bound holds for certain, none is statistical.
 */
const two32 = 4294967296;
const millisPerSecond = 1000;

export class FoldedWindows {
  readonly #window = new BucketWindow();
  #cell!: StateCell;
  #evaluation!: Evaluation;

  /** Writes all features of the plan, with bounds. */
  write(cell: StateCell, evaluation: Evaluation, values: Float64Array, bounds: Float64Array, row: number): void {
    this.#cell = cell;
    this.#evaluation = evaluation;
    this.#window.open(cell, evaluation);
    const completeSinceMs = cell.completeSinceMs;
    if (evaluation.plan.unusual.length > 0) evaluation.countUnusual(cell);
    for (const op of evaluation.plan.ops) {
      const at = row + op.feature;
      const inRecords = op.windowMs > 0 && evaluation.timeMs - op.reachMs >= completeSinceMs;
      const isLast = op.code === opCodes.sinceLast || op.code === opCodes.sinceLastInRole;
      if (inRecords || (op.windowMs === 0 && !isLast)) {
        values[at] = evaluation.valueOf(cell, op);
        bounds[at] = op.code === opCodes.isFirst && this.#perhapsFirst() ? 1 : 0;
        continue;
      }
      const estimate = isLast ? this.#lastEvent(op, completeSinceMs) : this.#windowed(op);
      values[at] = estimate.value;
      bounds[at] = this.#window.unknown ? unboundedBound : boundOf(estimate);
    }
  }

  /**
   * At the moment of the first event, and itself folded or the oldest that is not: it may be the first one, delivered again, or one
   * that came after it at the same moment.
   */
  #perhapsFirst(): boolean {
    const { folded, first, end, timeMs } = this.#evaluation;
    return timeMs === this.#cell.firstSeenMs && (folded ? !first : end === 1);
  }

  #windowed(op: Op): Estimate {
    const toMs = this.#evaluation.timeMs - op.delayMs;
    this.#window.classify(op.mask, toMs - op.windowMs, toMs);
    switch (op.code) {
      case opCodes.count:
        return this.#window.count(op);
      case opCodes.sum:
        return this.#window.sum(op);
      case opCodes.mean:
        return this.#mean(op);
      case opCodes.min:
      case opCodes.max:
        return this.#extreme(op);
      case opCodes.distinct:
        return this.#distinct(op);
      case opCodes.fraudRate:
        return this.#fraudRate(op);
      case opCodes.frauds:
        return this.#frauds(op);
      case opCodes.stddev:
        return this.#deviation(op);
      case opCodes.unusual:
        return this.#unusual(op);
      default:
        return labelRunEstimate(this.#cell, this.#evaluation, this.#window, op);
    }
  }

  #mean(op: Op): Estimate {
    const value = this.#window.sum(op).value / this.#window.count(op).value;
    const cut = this.#window.cutAmounts();
    const { sum, count } = this.#window.whole(op);
    if (count.low === 0) this.#window.unknown = true;
    const ends: number[] = [];
    if (count.low > 0) ends.push(sum.low / count.high, sum.high / count.low);
    else if (count.high > 0) ends.push(0, sum.high);
    if (cut.events > 0) {
      ends.push(cut.min, cut.max);
      ends.push((sum.low + cut.events * cut.min) / (count.high + cut.events));
      ends.push((sum.high + cut.events * cut.max) / (count.low + cut.events));
    }
    const low = Math.min(...ends, value);
    const high = Math.max(...ends, value);
    return low === high ? exactly(value) : { value, low: low * (1 - roundingShare), high: high * (1 + roundingShare) };
  }

  #extreme(op: Op): Estimate {
    const sign = op.code === opCodes.min ? 1 : -1;
    const { view } = this.#cell;
    const quantityAt = this.#window.quantityAt(op.code === opCodes.min ? laneTypes.min : laneTypes.max, op.mask);
    const farAt = this.#window.quantityAt(op.code === opCodes.min ? laneTypes.max : laneTypes.min, 0);
    const ring = this.#evaluation.results[op.slot] as number;
    let known = Number.isNaN(ring) ? Number.POSITIVE_INFINITY : sign * ring;
    let perhaps = Number.POSITIVE_INFINITY;
    let farthest = Number.NEGATIVE_INFINITY;
    this.#window.each((at, _share, cut) => {
      const extreme = sign * view.getFloat64(at + quantityAt, true);
      if (!cut && !bucketLoose(this.#cell, at)) known = Math.min(known, extreme);
      else {
        perhaps = Math.min(perhaps, extreme);
        if (Number.isFinite(extreme)) farthest = Math.max(farthest, sign * view.getFloat64(at + farAt, true));
      }
    });
    const best = Math.min(known, perhaps);
    if (best === Number.POSITIVE_INFINITY) return exactly(Number.NaN);
    // The window may also be empty, and the value missing: no distance says that.
    if (known === Number.POSITIVE_INFINITY) this.#window.unknown = true;
    const worst = known === Number.POSITIVE_INFINITY ? farthest : known;
    return sign === 1 ? { value: best, low: best, high: worst } : { value: -best, low: -worst, high: -best };
  }

  #distinct(op: Op): Estimate {
    const { view } = this.#cell;
    const quantityAt = this.#window.quantityAt(laneTypes.distinct, op.mask, op.column);
    const ring = this.#evaluation.results[op.slot] as number;
    const bits = this.#recordBits(op);
    const sure = new Uint8Array(bitmapBits / 8);
    let low = ring;
    let high = ring;
    this.#window.each((at, _share, cut) => {
      const from = at + quantityAt;
      high += view.getUint32(from + distinctHighAt, true);
      const surely = !cut && !bucketLoose(this.#cell, at);
      if (surely) low = Math.max(low, view.getUint32(from + distinctLowAt, true));
      for (let b = 0; b < bits.length; b++) {
        const byte = view.getUint8(from + bitmapAt + b);
        bits[b] = (bits[b] as number) | byte;
        if (surely) sure[b] = (sure[b] as number) | byte;
      }
    });
    const setBits = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum + bitCount(byte), 0);
    low = Math.max(low, setBits(sure));
    // Linear counting: so many values leave so many of the bits clear.
    const clear = bitmapBits - setBits(bits);
    const guess = clear === 0 ? (low + high) / 2 : -bitmapBits * Math.log(clear / bitmapBits);
    return { value: Math.min(high, Math.max(low, Math.round(guess))), low, high };
  }

  #recordBits(op: Op): Uint8Array {
    const cell = this.#cell;
    const bits = new Uint8Array(bitmapBits / 8);
    const column = cell.plan.columns[op.column];
    if (column === undefined) return bits;
    for (let i = this.#evaluation.startOf(op); i < this.#evaluation.stopOf(op); i++) {
      const value = cell.columnValue(i, column.at, column.bytes);
      if (value === 0 || (cell.flagsAt(i) & op.mask) !== op.mask) continue;
      const bit = bitOf(value);
      bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7));
    }
    return bits;
  }

  #frauds(op: Op): Estimate {
    const { view } = this.#cell;
    const quantityAt = this.#window.quantityAt(laneTypes.count, op.mask | fraudBit);
    const fraud = exactly(this.#evaluation.results[op.slot] as number);
    this.#window.each((at, share, cut) => {
      const labelled = view.getUint32(at + quantityAt, true);
      const unsure = bucketLabels(this.#cell, at);
      fraud.value += share * labelled;
      fraud.low += cut ? 0 : Math.max(0, labelled - unsure - bucketMaybe(this.#cell, at));
      fraud.high += Math.min(labelled + unsure, this.#window.eventsOf(at));
    });
    return fraud;
  }

  #fraudRate(op: Op): Estimate {
    const count = this.#window.count(op);
    const fraud = this.#frauds(op);
    const value = count.value === 0 ? 0 : Math.min(1, fraud.value / count.value);
    const low = count.high === 0 || count.low === 0 ? 0 : fraud.low / count.high;
    const high = count.low === 0 ? (fraud.high > 0 ? 1 : 0) : Math.min(1, fraud.high / count.low);
    return { value, low, high };
  }

  /** The thresholds lie between what the lowest and the highest mean and deviation of the reference give. */
  #unusual(op: Op): Estimate {
    const threshold = op.threshold as NonNullable<Op['threshold']>;
    const { mean, deviation } = threshold;
    const toMs = this.#evaluation.timeMs - mean.delayMs;
    this.#window.classify(op.mask, toMs - mean.windowMs, toMs);
    const middle = this.#mean(mean);
    const spread = deviation === undefined ? exactly(0) : this.#deviation(deviation);
    const unknown = this.#window.unknown;
    const amount = (end: keyof Estimate): number => thresholdAmount(threshold, middle[end], spread[end]);
    const limit = { value: amount('value'), low: amount('low'), high: amount('high') };
    const endMs = this.#evaluation.timeMs - op.delayMs;
    this.#window.classify(op.mask, endMs - op.windowMs, endMs);
    if (unknown) this.#window.unknown = true;
    return unusualEstimate(this.#cell, this.#evaluation, this.#window, op, limit);
  }

  #deviation(op: Op): Estimate {
    const { view, amountBytes } = this.#cell;
    const wide = amountBytes === amountWidths.wide;
    const squaresAt = this.#window.quantityAt(laneTypes.squares, op.mask);
    const squares = { low: 0, high: 0 };
    if (!wide) {
      squares.low = this.#evaluation.results[op.squaresSlot] as number;
      squares.high = this.#evaluation.results[op.squaresSlot + 1] as number;
    }
    let sure = !wide;
    let [min, max] = this.#recordExtremes(op);
    const minAt = this.#window.quantityAt(laneTypes.min, 0);
    const maxAt = this.#window.quantityAt(laneTypes.max, 0);
    this.#window.each((at, share, cut) => {
      squares.low += share * pairLow(view, at + squaresAt);
      squares.high += share * pairHigh(view, at + squaresAt);
      min = Math.min(min, view.getFloat64(at + minAt, true));
      max = Math.max(max, view.getFloat64(at + maxAt, true));
      if (cut || bucketMaybe(this.#cell, at) > 0) sure = false;
    });
    const { value: count, low: surely } = this.#window.count(op);
    const sum = this.#window.sum(op).value;
    if (surely === 0 && !sure) this.#window.unknown = true;
    if (sure) return exactly(count === 0 ? Number.NaN : standardDeviation(count, sum, squares.low, squares.high));
    // Popoviciu: no deviation is larger than half the range.
    const high = max > min ? (max - min) / 2 : 0;
    const variance = wide ? (high / 2) ** 2 : (squares.high * two32 + squares.low) / count - (sum / count) ** 2;
    const value = variance > 0 ? Math.min(high, Math.sqrt(variance)) : 0;
    return { value: count === 0 ? Number.NaN : value, low: 0, high };
  }

  #recordExtremes(op: Op): [number, number] {
    const cell = this.#cell;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = this.#evaluation.startOf(op); i < this.#evaluation.stopOf(op); i++) {
      if ((cell.flagsAt(i) & op.mask) !== op.mask) continue;
      min = Math.min(min, cell.amountOf(i));
      max = Math.max(max, cell.amountOf(i));
    }
    return [min, max];
  }

  #lastEvent(op: Op, completeSinceMs: number): Estimate {
    if (op.code === opCodes.sinceLast) return this.#sinceLast(completeSinceMs);
    const { end, timeMs } = this.#evaluation;
    const cell = this.#cell;
    if (end === 0 && cell.bucketCount > 0) return lastInBuckets(cell, timeMs, this.#window);
    this.#window.unknown = end === 0 && timeMs <= completeSinceMs;
    const lastMs = end > 0 ? cell.timeAt(end - 1) : completeSinceMs;
    return exactly(lastMs < timeMs ? (timeMs - lastMs) / millisPerSecond : Number.NaN);
  }

  #sinceLast(completeSinceMs: number): Estimate {
    const { timeMs, end } = this.#evaluation;
    const cell = this.#cell;
    this.#window.unknown = false;
    if (!this.#evaluation.folded) {
      const previousMs = end > 1 ? cell.timeAt(end - 2) : completeSinceMs;
      return exactly((timeMs - previousMs) / millisPerSecond);
    }
    const b = bucketOf(cell, timeMs);
    if (b < 0) {
      this.#window.unknown = !this.#evaluation.first;
      return exactly(this.#evaluation.first ? Number.NaN : 0);
    }
    const startMs = bucketStart(cell, cell.bucketAt(b));
    if (timeMs > startMs) {
      const high = (timeMs - startMs) / millisPerSecond;
      return { value: high / 2, low: 0, high };
    }
    if (b === 0) {
      // The oldest time that is known: either this event is the first, or another came at the same moment.
      this.#window.unknown = !this.#evaluation.first;
      return exactly(this.#evaluation.first ? Number.NaN : 0);
    }
    // Another event of the same moment may have come before; otherwise it is the end of the bucket before.
    const high = (timeMs - bucketEnd(cell, cell.bucketAt(b - 1))) / millisPerSecond;
    return { value: high, low: bucketEvents(cell, cell.bucketAt(b)) === 1 ? high : 0, high };
  }
}
