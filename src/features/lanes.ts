import { type Lane, laneTypes, recordFlagsAt } from './plan.ts';
import type { StateCell } from './state.ts';

/**
 * Accumulates lanes by walking the records from the newest to the oldest, once a lane: the nested windows of a lane
 * are read off on the way. Sums are exact: every partial result is an integer below 2⁵³ (see `Lane.width`).
 */
const { count: countType, sum: sumType, squares: squaresType, min: minType, distinct: distinctType } = laneTypes;
const flagsOffset = recordFlagsAt;
const two32 = 4294967296;
const low16 = 0xffff;

/** `results[slot]` for each start of the lane; `stop` and `cursors` are record indexes (stop exclusive). */
export function runLane(cell: StateCell, lane: Lane, cursors: Int32Array, stop: number, results: Float64Array): void {
  switch (lane.type) {
    case countType:
      countLane(cell, lane, cursors, stop, results);
      return;
    case sumType:
      sumLane(cell, lane, cursors, stop, results);
      return;
    case squaresType:
      if (cell.amountBytes === 7) wideSquaresLane(cell, lane, cursors, stop, results);
      else squaresLane(cell, lane, cursors, stop, results);
      return;
    case distinctType:
      distinctLane(cell, lane, cursors, stop, results);
      return;
    default:
      extremeLane(cell, lane, cursors, stop, results);
  }
}

function countLane(cell: StateCell, lane: Lane, cursors: Int32Array, stop: number, results: Float64Array): void {
  const { view, stride, recordsAt } = cell;
  const { mask, starts, slot } = lane;
  let at = recordsAt + (stop - 1) * stride + flagsOffset;
  let count = 0;
  for (let k = 0; k < starts.length; k++) {
    const first = recordsAt + (cursors[starts[k] as number] as number) * stride + flagsOffset;
    for (; at >= first; at -= stride) if ((view.getUint8(at) & mask) === mask) count++;
    results[slot + k] = count;
  }
}

function sumLane(cell: StateCell, lane: Lane, cursors: Int32Array, stop: number, results: Float64Array): void {
  const { view, stride, recordsAt, amountBytes } = cell;
  const { mask, starts, slot } = lane;
  // Three-byte amounts are read as the upper three of the four bytes that end with them.
  const shift = amountBytes === 3 ? 8 : 0;
  const amountAt = cell.plan.amountAt - (shift >> 3);
  let at = recordsAt + (stop - 1) * stride;
  let low = 0;
  let high = 0;
  for (let k = 0; k < starts.length; k++) {
    const first = recordsAt + (cursors[starts[k] as number] as number) * stride;
    for (; at >= first; at -= stride) {
      if (mask !== 0 && (view.getUint8(at + flagsOffset) & mask) !== mask) continue;
      low += view.getUint32(at + amountAt, true) >>> shift;
      if (amountBytes === 7) high += view.getUint32(at + amountAt + 3, true) >>> 8;
    }
    results[slot + 2 * k] = low;
    results[slot + 2 * k + 1] = high;
  }
}

/** The high and low part of amount² (amount < 2³²): amount² = high × 2³² + low, low < 2³⁴. */
export function squareHigh(amount: number): number {
  const h = amount >>> 16;
  return h * h + Math.floor((2 * h * (amount & low16)) / 65536);
}
export function squareLow(amount: number): number {
  const l = amount & low16;
  return ((2 * (amount >>> 16) * l) % 65536) * 65536 + l * l;
}

function squaresLane(cell: StateCell, lane: Lane, cursors: Int32Array, stop: number, results: Float64Array): void {
  const { mask, starts, slot } = lane;
  let low = 0;
  let high = 0;
  let i = stop - 1;
  for (let k = 0; k < starts.length; k++) {
    const first = cursors[starts[k] as number] as number;
    for (; i >= first; i--) {
      if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) continue;
      const amount = cell.amountLow(i);
      low += squareLow(amount);
      high += squareHigh(amount);
    }
    results[slot + 2 * k] = low;
    results[slot + 2 * k + 1] = high;
  }
}

/** Amounts of 2³² and more: the sum of squared deviations instead, about an integer pivot, in record order. */
function wideSquaresLane(cell: StateCell, lane: Lane, cursors: Int32Array, stop: number, results: Float64Array): void {
  const { mask, starts, slot } = lane;
  for (let k = 0; k < starts.length; k++) {
    const first = cursors[starts[k] as number] as number;
    let low = 0;
    let high = 0;
    let n = 0;
    for (let i = stop - 1; i >= first; i--) {
      if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) continue;
      low += cell.amountLow(i);
      high += cell.amountHigh(i);
      n++;
    }
    const pivot = n === 0 ? 0 : Math.round((high * two32 + low) / n);
    let deviations = 0;
    let squares = 0;
    for (let i = stop - 1; i >= first; i--) {
      if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) continue;
      const deviation = cell.amountOf(i) - pivot;
      deviations += deviation;
      squares += deviation * deviation;
    }
    results[slot + 2 * k] = n === 0 ? 0 : Math.max(0, squares - (deviations * deviations) / n);
    results[slot + 2 * k + 1] = 0;
  }
}

function extremeLane(cell: StateCell, lane: Lane, cursors: Int32Array, stop: number, results: Float64Array): void {
  const { mask, starts, slot } = lane;
  const sign = lane.type === minType ? 1 : -1;
  let extreme = Number.POSITIVE_INFINITY;
  let i = stop - 1;
  for (let k = 0; k < starts.length; k++) {
    const first = cursors[starts[k] as number] as number;
    for (; i >= first; i--) {
      if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) continue;
      const amount = sign * cell.amountOf(i);
      if (amount < extreme) extreme = amount;
    }
    results[slot + k] = extreme === Number.POSITIVE_INFINITY ? Number.NaN : sign * extreme;
  }
}

/** "No record" where a record's index is kept in two bytes. */
export const noRecordIndex = 0xffff;

/**
 * The latest of the records from `first` on that have the smallest (`sign` 1) or largest (−1) amount, of amounts below 2³²;
 * `noRecordIndex` where none counts.
 */
export function latestExtreme(cell: StateCell, mask: number, sign: number, first: number): number {
  let best = noRecordIndex;
  let extreme = Number.POSITIVE_INFINITY;
  for (let i = cell.count - 1; i >= first; i--) {
    if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) continue;
    const amount = sign * cell.amountLow(i);
    if (amount < extreme) {
      extreme = amount;
      best = i;
    }
  }
  return best;
}

/** A set of record values that is emptied by counting its generation up. */
const setBits = 13;
const setValues = new Int32Array(1 << setBits);
const setGenerations = new Int32Array(1 << setBits);
let generation = 0;

/** Starts an empty set for at most `count` values (≤ 2¹²); answers the shift that `addToSet` wants. */
function clearSet(count: number): number {
  generation++;
  if (generation === 0x7fffffff) {
    generation = 1;
    setGenerations.fill(0);
  }
  // At most half full, and no larger than needed: a small set stays in the first lines of the cache.
  return Math.max(32 - setBits, Math.clz32(2 * count));
}

/** True when the value was not in the set. */
function addToSet(value: number, shift: number): boolean {
  const mask = (1 << (32 - shift)) - 1;
  let i = Math.imul(value, 0x9e3779b1) >>> shift;
  while (setGenerations[i] === generation) {
    if (setValues[i] === value) return false;
    i = (i + 1) & mask;
  }
  setGenerations[i] = generation;
  setValues[i] = value;
  return true;
}

function distinctLane(cell: StateCell, lane: Lane, cursors: Int32Array, stop: number, results: Float64Array): void {
  const { view, stride, recordsAt } = cell;
  const { mask, starts, slot, columnAt, columnBytes } = lane;
  const last = cursors[starts[starts.length - 1] as number] as number;
  const shift = clearSet(Math.max(1, stop - last));
  let at = recordsAt + (stop - 1) * stride;
  let distinct = 0;
  for (let k = 0; k < starts.length; k++) {
    const first = recordsAt + (cursors[starts[k] as number] as number) * stride;
    for (; at >= first; at -= stride) {
      if (mask !== 0 && (view.getUint8(at + flagsOffset) & mask) !== mask) continue;
      const value = columnBytes === 4 ? view.getInt32(at + columnAt, true) : view.getUint16(at + columnAt, true);
      if (value !== 0 && addToSet(value, shift)) distinct++;
    }
    results[slot + k] = distinct;
  }
}
