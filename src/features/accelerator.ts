import {
  type AcceleratorPlan,
  acceleratorHeadBytes,
  type LanePlan,
  type PrefixPlan,
  planAccelerator,
  tableSlots,
  type WindowState,
} from './acceleratorLayout.ts';
import type { Evaluation } from './evaluation.ts';
import { runLane, squareHigh, squareLow } from './lanes.ts';
import { type EntityPlan, fraudBit, laneTypes, recordFlagsAt } from './plan.ts';
import type { StateCell } from './state.ts';

const sizeAt = 2;
const invalid = 0xffff;
/** `next` of a record whose value does not come again; `previous + 1` of a record that is not counted. */
const none = 0xffff;
const hashFactor = 0x9e3779b1;

/** Marks the accelerator at `at` as unusable until it is rebuilt. */
export function invalidateAccelerator(view: DataView, at: number, capacity: number): void {
  view.setUint16(at, capacity, true);
  view.setUint16(at + sizeAt, invalid, true);
}

/** Reads and keeps one entity's accelerator at a time; opened anew for each, like StateCell. */
export class Accelerator {
  readonly layout: AcceleratorPlan;
  readonly #plan: EntityPlan;
  readonly #prefixAt: Int32Array;
  readonly #indexAt: Int32Array;
  readonly #oldCursors: Int32Array;
  readonly #newCursors: Int32Array;
  #cell!: StateCell;
  #view!: DataView;
  #at = 0;
  #capacity = 0;
  #tableMask = 0;
  #tableShift = 0;

  constructor(plan: EntityPlan) {
    this.#plan = plan;
    this.layout = planAccelerator(plan);
    this.#prefixAt = new Int32Array(this.layout.prefixes.length);
    this.#indexAt = new Int32Array(this.layout.indexes.length);
    this.#oldCursors = new Int32Array(plan.boundaries.length);
    this.#newCursors = new Int32Array(plan.boundaries.length);
  }

  open(cell: StateCell, at: number): void {
    this.#cell = cell;
    this.#view = cell.view;
    this.#at = at;
    const capacity = cell.view.getUint16(at, true);
    this.#capacity = capacity;
    const slots = tableSlots(capacity);
    this.#tableMask = slots - 1;
    this.#tableShift = Math.clz32(slots) + 1;
    let part = at + this.layout.fixedBytes;
    const { prefixes } = this.layout;
    for (let p = 0; p < prefixes.length; p++) {
      this.#prefixAt[p] = part;
      part += (prefixes[p] as PrefixPlan).width * (capacity + 1);
    }
    for (let x = 0; x < this.#indexAt.length; x++) {
      this.#indexAt[x] = part;
      part += 4 * capacity + 2 * slots;
    }
  }

  get valid(): boolean {
    return this.#view.getUint16(this.#at + sizeAt, true) === this.#cell.count;
  }

  invalidate(): void {
    this.#view.setUint16(this.#at + sizeAt, invalid, true);
  }

  /** Brings the accelerator up to date with a record just put at `position`; it was valid before. */
  inserted(position: number): void {
    const cell = this.#cell;
    const last = cell.count - 1;
    for (let p = 0; p < this.layout.prefixes.length; p++) this.#extendPrefix(p, position);
    for (let x = 0; x < this.#indexAt.length; x++) {
      if (position < last) this.#shiftIndex(x, position);
      this.#link(x, position);
    }
    this.#view.setUint16(this.#at + sizeAt, cell.count, true);
    if (position === last) this.#advance(cell.timeAt(last), last);
    else this.#insertIntoWindows(position);
  }

  /** A label changed on record i: the running counts from there on change by one. */
  labelled(i: number, flags: number, on: boolean): void {
    const view = this.#view;
    this.layout.prefixes.forEach((prefix, p) => {
      if (prefix.type !== laneTypes.count || (prefix.mask & fraudBit) === 0) return;
      if (((flags | fraudBit) & prefix.mask) !== prefix.mask) return;
      const base = this.#prefixAt[p] as number;
      for (let at = base + 2 * (i + 1); at <= base + 2 * this.#cell.count; at += 2) {
        view.setUint16(at, view.getUint16(at, true) + (on ? 1 : -1), true);
      }
    });
  }

  rebuild(scratch: Evaluation): void {
    const cell = this.#cell;
    const view = this.#view;
    const slots = this.#tableMask + 1;
    for (let p = 0; p < this.layout.prefixes.length; p++) {
      const width = (this.layout.prefixes[p] as PrefixPlan).width;
      cell.bytes.fill(0, this.#prefixAt[p], (this.#prefixAt[p] as number) + width);
      for (let i = 0; i < cell.count; i++) this.#appendPrefix(p, i);
    }
    for (let x = 0; x < this.#indexAt.length; x++) {
      const table = (this.#indexAt[x] as number) + 4 * this.#capacity;
      cell.bytes.fill(0, table, table + 2 * slots);
      for (let i = 0; i < cell.count; i++) this.#link(x, i);
    }
    // Without a newest record there is nothing the windows could be as of.
    view.setUint16(this.#at + sizeAt, cell.count === 0 ? invalid : cell.count, true);
    if (cell.count === 0) return;
    scratch.run(cell, cell.count - 1);
    for (let b = 0; b < scratch.cursors.length; b++) {
      view.setUint16(this.#cursorAt(b), scratch.cursors[b] as number, true);
    }
    for (const state of this.layout.states) {
      const cursor = scratch.cursors[state.boundary] as number;
      const value = state.sign === 0 ? (scratch.results[state.slot] as number) : this.#extremePosition(state, cursor);
      view.setUint16(this.#at + state.at, value, true);
    }
  }

  /** Cursors and lanes as of record `position`; the accelerator must be valid. */
  evaluate(position: number, evaluation: Evaluation): void {
    const cell = this.#cell;
    const newest = position === cell.count - 1;
    const { cursors, results } = evaluation;
    const timeMs = cell.timeAt(position);
    const end = position + 1;
    evaluation.timeMs = timeMs;
    evaluation.end = end;
    this.#readCursors(timeMs, newest, cursors);
    const { lanes } = this.layout;
    for (let l = 0; l < lanes.length; l++) {
      const planned = lanes[l] as LanePlan;
      const { lane } = planned;
      const stop = lane.stop < 0 ? end : (cursors[lane.stop] as number);
      if (planned.prefix >= 0 && cell.amountBytes !== 7) this.#fromPrefix(planned, cursors, stop, results);
      else if (planned.stateAt >= 0 && newest) this.#fromState(planned, results);
      else if (planned.index >= 0 && this.#fromIndex(planned, position, cursors, results)) continue;
      else runLane(cell, lane, cursors, stop, results);
    }
  }

  #cursorAt(boundary: number): number {
    return this.#at + acceleratorHeadBytes + 2 * boundary;
  }
  #stateAt(planned: LanePlan, k: number): number {
    return this.#at + planned.stateAt + 2 * k;
  }

  #readCursors(timeMs: number, newest: boolean, cursors: Int32Array): void {
    const cell = this.#cell;
    const { boundaries } = this.#plan;
    for (let b = 0; b < cursors.length; b++) {
      let cursor = this.#view.getUint16(this.#cursorAt(b), true);
      // The stored cursors are those of the newest record; an earlier event's windows start earlier.
      if (!newest) {
        const bound = timeMs - (boundaries[b] as number);
        while (cursor > 0 && cell.timeAt(cursor - 1) > bound) cursor--;
      }
      cursors[b] = cursor;
    }
  }

  #fromPrefix(planned: LanePlan, cursors: Int32Array, stop: number, results: Float64Array): void {
    const view = this.#view;
    const { starts, slot, type } = planned.lane;
    const base = this.#prefixAt[planned.prefix] as number;
    for (let k = 0; k < starts.length; k++) {
      const start = cursors[starts[k] as number] as number;
      if (type === laneTypes.count) {
        results[slot + k] = (view.getUint16(base + 2 * stop, true) - view.getUint16(base + 2 * start, true)) & 0xffff;
      } else if (type === laneTypes.sum) {
        results[slot + 2 * k] = view.getFloat64(base + 8 * stop, true) - view.getFloat64(base + 8 * start, true);
        results[slot + 2 * k + 1] = 0;
      } else {
        const [from, to] = [base + 16 * start, base + 16 * stop];
        results[slot + 2 * k] = view.getFloat64(to, true) - view.getFloat64(from, true);
        results[slot + 2 * k + 1] = view.getFloat64(to + 8, true) - view.getFloat64(from + 8, true);
      }
    }
  }

  #fromState(planned: LanePlan, results: Float64Array): void {
    const { starts, slot } = planned.lane;
    for (let k = 0; k < starts.length; k++) {
      const state = this.#view.getUint16(this.#stateAt(planned, k), true);
      if (planned.index >= 0) results[slot + k] = state;
      else results[slot + k] = state === none ? Number.NaN : this.#cell.amountOf(state);
    }
  }

  /**
   * Distinct values in windows ending at an earlier record, from the state as of the newest: values that first come
   * after `position` are taken off, values that come only before the newest's window are added.
   */
  #fromIndex(planned: LanePlan, position: number, cursors: Int32Array, results: Float64Array): boolean {
    const view = this.#view;
    const { starts, slot } = planned.lane;
    const previous = this.#indexAt[planned.index] as number;
    const next = previous + 2 * this.#capacity;
    for (let k = 0; k < starts.length; k++) {
      const boundary = starts[k] as number;
      const newestCursor = view.getUint16(this.#cursorAt(boundary), true);
      if (position < newestCursor) return false;
      let distinct = view.getUint16(this.#stateAt(planned, k), true);
      for (let i = position + 1; i < this.#cell.count; i++) {
        if (view.getUint16(previous + 2 * i, true) <= newestCursor) distinct--;
      }
      for (let i = newestCursor - 1; i >= (cursors[boundary] as number); i--) {
        if (view.getUint16(next + 2 * i, true) > position) distinct++;
      }
      results[slot + k] = distinct;
    }
    return true;
  }

  /** Moves the windows on to the newest record, which has just been appended. */
  #advance(timeMs: number, last: number): void {
    const cell = this.#cell;
    const view = this.#view;
    const { states } = this.layout;
    const { boundaries } = this.#plan;
    const olds = this.#oldCursors;
    const cursors = this.#newCursors;
    for (let b = 0; b < boundaries.length; b++) {
      const bound = timeMs - (boundaries[b] as number);
      const at = this.#cursorAt(b);
      let cursor = view.getUint16(at, true);
      olds[b] = cursor;
      while (cell.timeAt(cursor) <= bound) cursor++;
      cursors[b] = cursor;
      if (cursor !== olds[b]) view.setUint16(at, cursor, true);
    }
    for (let s = 0; s < states.length; s++) {
      const state = states[s] as WindowState;
      const cursor = cursors[state.boundary] as number;
      if (state.sign === 0) this.#advanceDistinct(state, olds[state.boundary] as number, cursor, last);
      else this.#advanceExtreme(state, cursor, last);
    }
  }

  #advanceDistinct(state: WindowState, old: number, cursor: number, last: number): void {
    const view = this.#view;
    const previous = this.#indexAt[state.index] as number;
    const next = previous + 2 * this.#capacity;
    const at = this.#at + state.at;
    let change = view.getUint16(previous + 2 * last, true) <= old ? 1 : 0;
    for (let i = old; i < cursor; i++) if (view.getUint16(next + 2 * i, true) === none) change--;
    if (change !== 0) view.setUint16(at, view.getUint16(at, true) + change, true);
  }

  #advanceExtreme(state: WindowState, cursor: number, last: number): void {
    const cell = this.#cell;
    const { mask, sign } = state;
    const at = this.#at + state.at;
    const position = this.#view.getUint16(at, true);
    let best = position;
    if (position !== none && position < cursor) best = this.#extremePosition(state, cursor);
    else if (mask === 0 || (cell.flagsAt(last) & mask) === mask) {
      // The latest of equals: it stays longest.
      if (position === none || sign * cell.amountOf(last) <= sign * cell.amountOf(position)) best = last;
    }
    if (best !== position) this.#view.setUint16(at, best, true);
  }

  #extremePosition({ mask, sign }: WindowState, first: number): number {
    const cell = this.#cell;
    let best = none;
    let extreme = Number.POSITIVE_INFINITY;
    for (let i = cell.count - 1; i >= first; i--) {
      if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) continue;
      const amount = sign * cell.amountOf(i);
      if (amount < extreme) {
        extreme = amount;
        best = i;
      }
    }
    return best;
  }

  /** Window states as of the newest record, after an earlier one was put in at `position`. */
  #insertIntoWindows(position: number): void {
    const cell = this.#cell;
    const view = this.#view;
    const timeMs = cell.timeAt(position);
    const newestMs = cell.timeAt(cell.count - 1);
    const { boundaries } = this.#plan;
    for (let b = 0; b < boundaries.length; b++) {
      if (timeMs <= newestMs - (boundaries[b] as number)) {
        view.setUint16(this.#cursorAt(b), view.getUint16(this.#cursorAt(b), true) + 1, true);
      }
    }
    for (const state of this.layout.states) {
      const cursor = view.getUint16(this.#cursorAt(state.boundary), true);
      if (state.sign === 0) this.#insertDistinct(state, position, cursor);
      else this.#insertExtreme(state, position, cursor);
    }
  }

  #insertDistinct(state: WindowState, position: number, cursor: number): void {
    const view = this.#view;
    if (position < cursor) return;
    const previous = this.#indexAt[state.index] as number;
    const next = previous + 2 * this.#capacity;
    const isNew =
      view.getUint16(previous + 2 * position, true) <= cursor && view.getUint16(next + 2 * position, true) === none;
    const at = this.#at + state.at;
    if (isNew) view.setUint16(at, view.getUint16(at, true) + 1, true);
  }

  #insertExtreme({ mask, sign, at: stateAt }: WindowState, position: number, cursor: number): void {
    const cell = this.#cell;
    const at = this.#at + stateAt;
    let best = this.#view.getUint16(at, true);
    if (best !== none && best >= position) best++;
    if (position >= cursor && (cell.flagsAt(position) & mask) === mask) {
      if (best === none || sign * cell.amountOf(position) < sign * cell.amountOf(best)) best = position;
    }
    this.#view.setUint16(at, best, true);
  }

  /** Puts record `position` into running totals that already cover the records before and after it. */
  #extendPrefix(p: number, position: number): void {
    const { width } = this.layout.prefixes[p] as PrefixPlan;
    const base = this.#prefixAt[p] as number;
    const last = this.#cell.count - 1;
    if (position === last) {
      this.#appendPrefix(p, position);
      return;
    }
    this.#cell.bytes.copyWithin(base + width * (position + 1), base + width * position, base + width * (last + 1));
    for (let i = last; i >= position; i--) this.#addToPrefix(p, i + 1, position);
  }

  #appendPrefix(p: number, i: number): void {
    const { width } = this.layout.prefixes[p] as PrefixPlan;
    const at = (this.#prefixAt[p] as number) + width * i;
    this.#cell.bytes.copyWithin(at + width, at, at + width);
    this.#addToPrefix(p, i + 1, i);
  }

  /** Adds what record `i` counts for to running total number `entry`. */
  #addToPrefix(p: number, entry: number, i: number): void {
    const { type, mask, width } = this.layout.prefixes[p] as PrefixPlan;
    const cell = this.#cell;
    if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) return;
    const view = this.#view;
    const at = (this.#prefixAt[p] as number) + width * entry;
    if (type === laneTypes.count) {
      view.setUint16(at, view.getUint16(at, true) + 1, true);
      return;
    }
    const amount = cell.amountLow(i);
    if (type === laneTypes.sum) {
      view.setFloat64(at, view.getFloat64(at, true) + amount, true);
      return;
    }
    view.setFloat64(at, view.getFloat64(at, true) + squareLow(amount), true);
    view.setFloat64(at + 8, view.getFloat64(at + 8, true) + squareHigh(amount), true);
  }

  #valueAt(x: number, i: number): number {
    const { mask, columnAt, columnBytes } = this.layout.indexes[x] as AcceleratorPlan['indexes'][number];
    const cell = this.#cell;
    if (mask !== 0) {
      const flags = this.#view.getUint8(cell.recordsAt + i * cell.stride + recordFlagsAt);
      if ((flags & mask) !== mask) return 0;
    }
    return cell.columnValue(i, columnAt, columnBytes);
  }

  /** Links record `i` with the records of the same value before and after it; indexes from `i` on are in place. */
  #link(x: number, i: number): void {
    const view = this.#view;
    const previous = this.#indexAt[x] as number;
    const next = previous + 2 * this.#capacity;
    const value = this.#valueAt(x, i);
    if (value === 0) {
      view.setUint16(previous + 2 * i, none, true);
      view.setUint16(next + 2 * i, 0, true);
      return;
    }
    const slot = this.#slotOf(x, value, Number.POSITIVE_INFINITY, 0);
    let before = view.getUint16(slot, true);
    let after = none;
    // A late record: go back from the last of the value to where it belongs.
    while (before > i) {
      after = before - 1;
      before = view.getUint16(previous + 2 * after, true);
    }
    view.setUint16(previous + 2 * i, before, true);
    view.setUint16(next + 2 * i, after, true);
    if (before > 0) view.setUint16(next + 2 * (before - 1), i, true);
    if (after === none) view.setUint16(slot, i + 1, true);
    else view.setUint16(previous + 2 * after, i + 1, true);
  }

  /** Address of the table slot of a value. Entries from `from` up to `to` (indexes) still mean one record earlier. */
  #slotOf(x: number, value: number, from: number, to: number): number {
    const view = this.#view;
    const table = (this.#indexAt[x] as number) + 4 * this.#capacity;
    let slot = Math.imul(value, hashFactor) >>> this.#tableShift;
    for (;;) {
      const entry = view.getUint16(table + 2 * slot, true);
      if (entry === 0) break;
      const record = entry - 1;
      if (this.#valueAt(x, record >= from && record <= to ? record + 1 : record) === value) break;
      slot = (slot + 1) & this.#tableMask;
    }
    return table + 2 * slot;
  }

  /** Renumbers the records that a late one has pushed up by one. */
  #shiftIndex(x: number, position: number): void {
    const view = this.#view;
    const previous = this.#indexAt[x] as number;
    const next = previous + 2 * this.#capacity;
    for (let old = this.#cell.count - 2; old >= position; old--) {
      const before = view.getUint16(previous + 2 * old, true);
      const after = view.getUint16(next + 2 * old, true);
      if (before === none) {
        view.setUint16(previous + 2 * (old + 1), none, true);
        view.setUint16(next + 2 * (old + 1), 0, true);
        continue;
      }
      if (after === none) {
        const slot = this.#slotOf(x, this.#valueAt(x, old + 1), position, old);
        view.setUint16(slot, old + 2, true);
      }
      if (before > 0 && before <= position) view.setUint16(next + 2 * (before - 1), old + 1, true);
      view.setUint16(previous + 2 * (old + 1), before > position ? before + 1 : before, true);
      view.setUint16(next + 2 * (old + 1), after === none ? none : after + 1, true);
    }
  }
}
