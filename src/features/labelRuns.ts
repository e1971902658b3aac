/**
 * The labels of a window as a run: how many of its newest payments are frauds without a genuine one between them, and when
 * the last fraud, the last genuine payment and the first fraud of the run were. A payment without a label is genuine.
 */
import { fraudBit, type Op, opCodes } from './plan.ts';
import type { StateCell } from './state.ts';

const { fraudRun: fraudRunOp, sinceFraudRun: sinceFraudRunOp, sinceFraud: sinceFraudOp } = opCodes;
const fraud = fraudBit;
const millisPerSecond = 1000;

/** The newest record before `stop`, from `start` on, that passes the filter and is labelled as told; −1 if none. */
export function lastLabelled(cell: StateCell, mask: number, isFraud: boolean, start: number, stop: number): number {
  const wanted = isFraud ? mask | fraud : mask;
  for (let i = stop - 1; i >= start; i--) if ((cell.flagsAt(i) & (mask | fraud)) === wanted) return i;
  return -1;
}

/** The oldest record of the run of frauds that ends before `stop`; −1 when the newest payment is none, or there is none. */
export function runStart(cell: StateCell, mask: number, start: number, stop: number): number {
  let oldest = -1;
  for (let i = stop - 1; i >= start; i--) {
    const flags = cell.flagsAt(i);
    if ((flags & mask) !== mask) continue;
    if ((flags & fraud) === 0) break;
    oldest = i;
  }
  return oldest;
}

/** Records from `from` and before `stop` that pass the filter. */
export function passing(cell: StateCell, mask: number, from: number, stop: number): number {
  if (mask === 0) return stop - from;
  let count = 0;
  for (let i = from; i < stop; i++) if ((cell.flagsAt(i) & mask) === mask) count++;
  return count;
}

/**
 * A feature of label runs from the records [start, stop) alone.
 * @param frauds how many of them are labelled as frauds: where none is, nothing is searched
 */
export function labelRunValue(
  cell: StateCell,
  op: Op,
  timeMs: number,
  start: number,
  stop: number,
  frauds: number,
): number {
  const { code, mask } = op;
  let found = -1;
  if (code === fraudRunOp) {
    if (frauds === 0) return 0;
    const oldest = runStart(cell, mask, start, stop);
    return oldest < 0 ? 0 : passing(cell, mask, oldest, stop);
  }
  if (code === sinceFraudRunOp) found = frauds === 0 ? -1 : runStart(cell, mask, start, stop);
  else if (code === sinceFraudOp) found = frauds === 0 ? -1 : lastLabelled(cell, mask, true, start, stop);
  else found = lastLabelled(cell, mask, false, start, stop);
  return found < 0 ? Number.NaN : (timeMs - cell.timeAt(found)) / millisPerSecond;
}
