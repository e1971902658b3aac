import { bucketEnd, bucketEvents, bucketMaybe, bucketMaybeSum, bucketStart, pairHigh, pairLow } from './buckets.ts';
import { type Estimate, exactly, roundingShare } from './estimate.ts';
import type { Evaluation } from './evaluation.ts';
import { laneTypes, type LaneType, type Op } from './plan.ts';
import { bucketsMax, type StateCell } from './state.ts';

const two32 = 4294967296;

/**
 * One window over an entity's buckets: which lie in it, which it cuts, and what is counted and summed in them. Opened anew
 * for each entity, and classified anew for each window.
 */
export class BucketWindow {
  /** Nothing is known about the window: its time was dropped. */
  unknown = false;
  readonly #shares = new Float64Array(bucketsMax + 4);
  readonly #cuts = new Uint8Array(bucketsMax + 4);
  #cell!: StateCell;
  #evaluation!: Evaluation;
  #mask = 0;

  open(cell: StateCell, evaluation: Evaluation): void {
    this.#cell = cell;
    this.#evaluation = evaluation;
  }

  /** For each bucket the share of it inside the window, and whether the window cuts it. */
  classify(mask: number, fromMs: number, toMs: number): void {
    const cell = this.#cell;
    this.#mask = mask;
    const knownFromMs = cell.bucketCount > 0 ? bucketStart(cell, cell.bucketAt(0)) - 1 : cell.completeSinceMs;
    this.unknown = (cell.dropped && fromMs < knownFromMs) || this.#orderUnknown();
    // Delivered again, a folded event must not count what came after it at the same moment; nobody knows which.
    const atEvent = this.#evaluation.folded && toMs === this.#evaluation.timeMs;
    for (let b = 0; b < cell.bucketCount; b++) {
      const startMs = bucketStart(cell, cell.bucketAt(b));
      const endMs = bucketEnd(cell, cell.bucketAt(b));
      const outside = endMs <= fromMs || startMs > toMs;
      const cut = !outside && (startMs <= fromMs || endMs > toMs || (atEvent && endMs === toMs));
      this.#cuts[b] = cut ? 1 : 0;
      const insideMs = Math.min(endMs, toMs) - Math.max(startMs, fromMs);
      this.#shares[b] = outside ? 0 : cut ? insideMs / Math.max(1, endMs - startMs) : 1;
    }
  }

  /** Records at the moment of a folded event: whether they came before it is not known. */
  #orderUnknown(): boolean {
    const { folded, end, timeMs } = this.#evaluation;
    return folded && end > 0 && this.#cell.timeAt(0) === timeMs;
  }

  /** Offset in a bucket of a quantity of the plan. */
  quantityAt(type: LaneType, mask: number, column = -1): number {
    const { plan } = this.#cell;
    return plan.quantityAt[
      plan.quantities.findIndex((q) => q.type === type && q.mask === mask && q.column === column)
    ] as number;
  }

  /** Calls back for each bucket that is at least partly in the window. */
  each(visit: (at: number, share: number, cut: boolean) => void): void {
    for (let b = 0; b < this.#cell.bucketCount; b++) {
      const share = this.#shares[b] as number;
      if (share > 0 || this.#cuts[b] === 1) visit(this.#cell.bucketAt(b), share, this.#cuts[b] === 1);
    }
  }

  /** Calls back for each such bucket, the newest first, until told to stop. */
  eachBack(visit: (at: number, cut: boolean) => boolean): void {
    for (let b = this.#cell.bucketCount - 1; b >= 0; b--) {
      const cut = this.#cuts[b] === 1;
      if (((this.#shares[b] as number) > 0 || cut) && !visit(this.#cell.bucketAt(b), cut)) return;
    }
  }

  /** Events of the bucket at `at` that pass the filter. */
  eventsOf(at: number): number {
    if (this.#mask === 0) return bucketEvents(this.#cell, at);
    return this.#cell.view.getUint32(at + this.quantityAt(laneTypes.count, this.#mask), true);
  }

  count(op: Op): Estimate {
    const total = exactly(this.#evaluation.countOf(op));
    this.each((at, share, cut) => {
      const events = this.eventsOf(at);
      total.value += Math.round(share * events);
      total.low += cut ? 0 : Math.max(0, events - bucketMaybe(this.#cell, at));
      total.high += events;
    });
    return total;
  }

  sum(op: Op): Estimate {
    const { view } = this.#cell;
    const quantityAt = this.quantityAt(laneTypes.sum, this.#mask);
    let low = this.#evaluation.results[op.slot] as number;
    let high = this.#evaluation.results[op.slot + 1] as number;
    const partly = exactly(0);
    this.each((at, share, cut) => {
      if (!cut) {
        low += pairLow(view, at + quantityAt);
        high += pairHigh(view, at + quantityAt);
        partly.low -= bucketMaybeSum(this.#cell, at);
        return;
      }
      const sum = pairHigh(view, at + quantityAt) * two32 + pairLow(view, at + quantityAt);
      partly.value += Math.round(share * sum);
      partly.high += sum;
    });
    const known = high * two32 + low;
    if (partly.low === 0 && partly.high === 0) return exactly(known);
    // What rounding takes from a large sum must not be missing in its bound.
    const rounding = (known + partly.high) * roundingShare;
    return {
      value: known + partly.value,
      low: Math.max(0, known + partly.low - rounding),
      high: known + partly.high + rounding,
    };
  }

  /** Smallest and largest amount of the buckets the window cuts, and how many events they hold. */
  cutAmounts(): { events: number; min: number; max: number } {
    const { view } = this.#cell;
    const cut = { events: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
    const minAt = this.quantityAt(laneTypes.min, 0);
    const maxAt = this.quantityAt(laneTypes.max, 0);
    this.each((at, _share, isCut) => {
      if (!isCut) return;
      cut.events += this.eventsOf(at);
      cut.min = Math.min(cut.min, view.getFloat64(at + minAt, true));
      cut.max = Math.max(cut.max, view.getFloat64(at + maxAt, true));
    });
    return cut;
  }

  /** Sum and count of what is wholly inside, each with what perhaps counted twice taken off for the low end. */
  whole(op: Op): { sum: Estimate; count: Estimate } {
    const cuts = this.#cuts.slice();
    this.#cuts.forEach((cut, b) => {
      if (cut === 1) this.#shares[b] = 0;
    });
    this.#cuts.fill(0);
    const whole = { sum: this.sum(op), count: this.count(op) };
    this.#cuts.set(cuts);
    return whole;
  }
}
