import { bucketEnd, bucketLabels, bucketLoose, bucketMaybe, bucketStart } from './buckets.ts';
import type { BucketWindow } from './bucketWindow.ts';
import { type Estimate, exactly } from './estimate.ts';
import type { Evaluation } from './evaluation.ts';
import { labelRunValue, lastLabelled, passing, runStart } from './labelRuns.ts';
import { fraudBit, laneTypes, type Op, opCodes } from './plan.ts';
import type { StateCell } from './state.ts';

/**
 * Label runs whose window reaches into buckets. What the records decide is exact: the newest genuine payment ends a run, wherever
 * the window begins. Otherwise a bucket tells how many of its payments are frauds, not in which order they stand.
 */
const millisPerSecond = 1000;

/** What is known of one bucket in the window: how many of each label it holds, at least and at most, and when. */
interface BucketLabels {
  events: number;
  readonly fraudsMin: number;
  readonly fraudsMax: number;
  readonly genuineMin: number;
  readonly genuineMax: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

class RunReader {
  readonly #cell: StateCell;
  readonly #window: BucketWindow;
  readonly #op: Op;
  readonly #timeMs: number;
  readonly #start: number;
  readonly #stop: number;

  constructor(cell: StateCell, evaluation: Evaluation, window: BucketWindow, op: Op) {
    this.#cell = cell;
    this.#window = window;
    this.#op = op;
    this.#timeMs = evaluation.timeMs;
    this.#start = evaluation.startOf(op);
    this.#stop = evaluation.stopOf(op);
  }

  estimate(): Estimate {
    const cell = this.#cell;
    const { code, mask } = this.#op;
    const isRun = code === opCodes.fraudRun || code === opCodes.sinceFraudRun;
    const wantsFraud = code === opCodes.sinceFraud;
    const decisive = lastLabelled(cell, mask, wantsFraud, this.#start, this.#stop);
    // A late payment of the moment at which folding cut is in a bucket, although it came after the records of that moment.
    const tied = this.#stop > this.#start && cell.timeAt(Math.max(decisive, this.#start)) <= cell.completeSinceMs;
    if (tied) this.#window.unknown = true;
    if (decisive >= 0) {
      if (!tied) this.#window.unknown = false;
      const frauds = passing(cell, mask | fraudBit, this.#start, this.#stop);
      return exactly(labelRunValue(cell, this.#op, this.#timeMs, this.#start, this.#stop, frauds));
    }
    return isRun ? this.#run() : this.#since(wantsFraud);
  }

  /** All records of the window are frauds, if there are any: the run goes on in the buckets. */
  #run(): Estimate {
    const cell = this.#cell;
    const { mask } = this.#op;
    const oldest = runStart(cell, mask, this.#start, this.#stop);
    const length = exactly(oldest < 0 ? 0 : passing(cell, mask, oldest, this.#stop));
    let sureMs = oldest < 0 ? Number.NaN : cell.timeAt(oldest);
    let farthestMs = sureMs;
    let sure = true;
    let genuine = 0;
    this.#window.eachBack((at, cut) => {
      const labels = this.#labelsOf(at, cut);
      if (sure && labels.genuineMax === 0 && labels.fraudsMin === labels.fraudsMax) {
        length.value += labels.fraudsMin;
        length.low += labels.fraudsMin;
        if (labels.fraudsMin > 0) sureMs = labels.firstMs;
      } else sure = false;
      length.high += labels.fraudsMax;
      if (labels.fraudsMax > 0) farthestMs = labels.firstMs;
      genuine = labels.genuineMin;
      return genuine === 0;
    });
    if (genuine > 0 && !this.#isTied()) this.#window.unknown = false;
    if (this.#op.code === opCodes.fraudRun) return length;
    // Whether there is a run at all is not known: no distance says that.
    if (length.low === 0 && length.high > 0) this.#window.unknown = true;
    const [near, far] = [this.#ago(sureMs), this.#ago(farthestMs)];
    return { value: near, low: near, high: far };
  }

  #since(wantsFraud: boolean): Estimate {
    let near = Number.NaN;
    let far = Number.NaN;
    this.#window.eachBack((at, cut) => {
      const labels = this.#labelsOf(at, cut);
      const [least, most] = wantsFraud ? [labels.fraudsMin, labels.fraudsMax] : [labels.genuineMin, labels.genuineMax];
      if (most === 0) return true;
      if (Number.isNaN(near)) near = this.#ago(labels.lastMs);
      if (least === 0) return true;
      far = this.#ago(labels.firstMs);
      return false;
    });
    const found = !Number.isNaN(far);
    if (found && !this.#isTied()) this.#window.unknown = false;
    // Perhaps there is one, perhaps none.
    if (!found && !Number.isNaN(near)) this.#window.unknown = true;
    return { value: found ? (near + far) / 2 : near, low: near, high: far };
  }

  #isTied(): boolean {
    return this.#stop > this.#start && this.#cell.timeAt(this.#start) <= this.#cell.completeSinceMs;
  }

  #ago(timeMs: number): number {
    return (this.#timeMs - timeMs) / millisPerSecond;
  }

  #labelsOf(at: number, cut: boolean): BucketLabels {
    const cell = this.#cell;
    const { mask, delayMs, windowMs } = this.#op;
    const events = this.#window.eventsOf(at);
    const frauds = cell.view.getUint32(at + this.#window.quantityAt(laneTypes.count, mask | fraudBit), true);
    const unsure = bucketLabels(cell, at) + bucketMaybe(cell, at);
    const sure = !cut && !bucketLoose(cell, at);
    const fraudsMin = sure ? Math.max(0, frauds - unsure) : 0;
    const fraudsMax = Math.min(events, frauds + unsure);
    const toMs = this.#timeMs - delayMs;
    return {
      events,
      fraudsMin,
      fraudsMax,
      genuineMin: sure ? Math.max(0, events - bucketMaybe(cell, at) - fraudsMax) : 0,
      genuineMax: events - (sure ? fraudsMin : Math.max(0, frauds - unsure)),
      firstMs: Math.max(bucketStart(cell, at), toMs - windowMs + 1),
      lastMs: Math.min(bucketEnd(cell, at), toMs),
    };
  }
}

/** @param window classified for the op's window. Says there whether nothing is known. */
export function labelRunEstimate(cell: StateCell, evaluation: Evaluation, window: BucketWindow, op: Op): Estimate {
  return new RunReader(cell, evaluation, window, op).estimate();
}
