import {
  type AcceleratorPlan,
  acceleratorHeadBytes,
  type LanePlan,
  noRecord,
  planAccelerator,
  tableSlots,
  type WindowState,
} from './acceleratorLayout.ts';
import type { Evaluation } from './evaluation.ts';
import { runLane } from './lanes.ts';
import type { EntityPlan } from './plan.ts';
import { RunningTotals } from './runningTotals.ts';
import type { StateCell } from './state.ts';
import { ValueLinks } from './valueLinks.ts';

const sizeAt = 2;
const invalid = 0xffff;

/** Marks the accelerator at `at` as unusable until it is rebuilt. */
export function invalidateAccelerator(view: DataView, at: number, capacity: number): void {
  view.setUint16(at, capacity, true);
  view.setUint16(at + sizeAt, invalid, true);
}

/** Reads and keeps one entity's accelerator at a time; opened anew for each, like StateCell. */
export class Accelerator {
  readonly layout: AcceleratorPlan;
  readonly #plan: EntityPlan;
  readonly #totals: RunningTotals;
  readonly #links: ValueLinks;
  readonly #oldCursors: Int32Array;
  readonly #newCursors: Int32Array;
  #cell!: StateCell;
  #view!: DataView;
  #at = 0;

  constructor(plan: EntityPlan) {
    this.#plan = plan;
    this.layout = planAccelerator(plan);
    this.#totals = new RunningTotals(this.layout.prefixes);
    this.#links = new ValueLinks(this.layout.indexes);
    this.#oldCursors = new Int32Array(plan.boundaries.length);
    this.#newCursors = new Int32Array(plan.boundaries.length);
  }

  open(cell: StateCell, at: number): void {
    this.#cell = cell;
    this.#view = cell.view;
    this.#at = at;
    const capacity = cell.view.getUint16(at, true);
    const linksAt = this.#totals.open(cell, at + this.layout.fixedBytes, capacity);
    this.#links.open(cell, linksAt, capacity, tableSlots(capacity));
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
    this.#totals.inserted(position);
    this.#links.inserted(position);
    this.#view.setUint16(this.#at + sizeAt, cell.count, true);
    if (position === last) this.#advance(cell.timeAt(last), last);
    else this.#insertIntoWindows(position);
  }

  /** A label changed on record i. */
  labelled(i: number, flags: number, on: boolean): void {
    this.#totals.labelled(i, flags, on);
  }

  rebuild(scratch: Evaluation): void {
    const cell = this.#cell;
    const view = this.#view;
    this.#totals.rebuild();
    this.#links.rebuild();
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
      if (planned.prefix >= 0 && cell.amountBytes !== 7) this.#totals.read(planned, cursors, stop, results);
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

  #fromState(planned: LanePlan, results: Float64Array): void {
    const { starts, slot } = planned.lane;
    for (let k = 0; k < starts.length; k++) {
      const state = this.#view.getUint16(this.#stateAt(planned, k), true);
      if (planned.index >= 0) results[slot + k] = state;
      else results[slot + k] = state === noRecord ? Number.NaN : this.#cell.amountOf(state);
    }
  }

  /**
   * Distinct values in windows ending at an earlier record, from the state as of the newest: values that first come
   * after `position` are taken off, values that come only before the newest's window are added.
   */
  #fromIndex(planned: LanePlan, position: number, cursors: Int32Array, results: Float64Array): boolean {
    const view = this.#view;
    const { starts, slot } = planned.lane;
    const previous = this.#links.previousAt(planned.index);
    const next = this.#links.nextAt(planned.index);
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
    const previous = this.#links.previousAt(state.index);
    const next = this.#links.nextAt(state.index);
    const at = this.#at + state.at;
    let change = view.getUint16(previous + 2 * last, true) <= old ? 1 : 0;
    for (let i = old; i < cursor; i++) if (view.getUint16(next + 2 * i, true) === noRecord) change--;
    if (change !== 0) view.setUint16(at, view.getUint16(at, true) + change, true);
  }

  #advanceExtreme(state: WindowState, cursor: number, last: number): void {
    const cell = this.#cell;
    const { mask, sign } = state;
    const at = this.#at + state.at;
    const position = this.#view.getUint16(at, true);
    let best = position;
    if (position !== noRecord && position < cursor) best = this.#extremePosition(state, cursor);
    else if (mask === 0 || (cell.flagsAt(last) & mask) === mask) {
      // The latest of equals: it stays longest.
      if (position === noRecord || sign * cell.amountOf(last) <= sign * cell.amountOf(position)) best = last;
    }
    if (best !== position) this.#view.setUint16(at, best, true);
  }

  #extremePosition({ mask, sign }: WindowState, first: number): number {
    const cell = this.#cell;
    let best = noRecord;
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
    const previous = this.#links.previousAt(state.index);
    const next = this.#links.nextAt(state.index);
    const isNew =
      view.getUint16(previous + 2 * position, true) <= cursor && view.getUint16(next + 2 * position, true) === noRecord;
    const at = this.#at + state.at;
    if (isNew) view.setUint16(at, view.getUint16(at, true) + 1, true);
  }

  #insertExtreme({ mask, sign, at: stateAt }: WindowState, position: number, cursor: number): void {
    const cell = this.#cell;
    const at = this.#at + stateAt;
    let best = this.#view.getUint16(at, true);
    if (best !== noRecord && best >= position) best++;
    if (position >= cursor && (cell.flagsAt(position) & mask) === mask) {
      if (best === noRecord || sign * cell.amountOf(position) < sign * cell.amountOf(best)) best = position;
    }
    this.#view.setUint16(at, best, true);
  }
}
