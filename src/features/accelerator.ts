import {
  type AcceleratorPlan,
  coveredAt,
  nothingCovered,
  planAccelerator,
  slotsAt,
  valuesAt,
  type WindowState,
} from './acceleratorLayout.ts';
import { DistinctTables } from './distinctTables.ts';
import type { Evaluation } from './evaluation.ts';
import type { PaymentFacts } from './facts.ts';
import { latestExtreme, noRecordIndex, runLane, squareHigh, squareLow } from './lanes.ts';
import { type EntityPlan, fraudBit, type Lane, laneTypes } from './plan.ts';
import type { StateCell } from './state.ts';

// Copies: what a module imports is looked up anew at every use, what is its own is known to the compiler.
const {
  count: countType,
  sum: sumType,
  squares: squaresType,
  min: minType,
  max: maxType,
  distinct: distinctType,
} = laneTypes;
const coveredOffset = coveredAt;
const noRecord = noRecordIndex;

/** Reads and keeps one entity's accelerator at a time; opened anew for each, like StateCell. */
export class Accelerator {
  readonly layout: AcceleratorPlan;
  readonly #plan: EntityPlan;
  readonly #cursors: Int32Array;
  #cell!: StateCell;
  #view!: DataView;
  #at = 0;
  #cursorsAt = 0;
  #timesAt = 0;
  readonly #tables: DistinctTables;

  constructor(plan: EntityPlan) {
    this.#plan = plan;
    this.layout = planAccelerator(plan);
    this.#tables = new DistinctTables(this.layout.indexes);
    this.#cursors = new Int32Array(plan.boundaries.length);
  }

  /** @param at where the fixed part stands, @param tablesAt the tables */
  open(cell: StateCell, at: number, tablesAt: number): void {
    this.#cell = cell;
    this.#view = cell.view;
    this.#at = at;
    this.#cursorsAt = at + this.layout.cursorsAt;
    this.#timesAt = at + this.layout.timesAt;
    this.#tables.open(cell, at + valuesAt, tablesAt, cell.view.getUint16(at + slotsAt, true));
  }

  get slots(): number {
    return this.#tables.slots;
  }

  /** Some table needs more slots before another record comes. */
  get crowded(): boolean {
    return this.#tables.crowded;
  }

  get valid(): boolean {
    return this.#view.getUint16(this.#at + coveredOffset, true) === this.#cell.count;
  }

  invalidate(): void {
    this.#view.setUint16(this.#at + coveredOffset, nothingCovered, true);
  }

  /** Takes in the record just put at `position`; the accelerator was valid before. */
  inserted(position: number): void {
    const cell = this.#cell;
    const last = cell.count - 1;
    this.#view.setUint16(this.#at + coveredOffset, cell.count, true);
    if (position < last) {
      this.#insertLate(position);
      return;
    }
    const timeMs = cell.timeAt(last);
    const { boundaries } = this.#plan;
    for (let b = 0; b < boundaries.length; b++) this.#pass(b, timeMs - (boundaries[b] as number));
    this.#enterNewest(last);
  }

  /**
   * Reads a little of what an event at `timeMs` will need, of the entity whose accelerator and state of `count` records stand
   * there. An accelerator that is not valid may hold anything; and a window that ends after the newest record points behind it,
   * in the last block of a chunk beyond its memory.
   */
  touch(
    view: DataView,
    at: number,
    tablesAt: number,
    recordsAt: number,
    stride: number,
    count: number,
    facts: PaymentFacts,
  ): number {
    if (view.getUint16(at + coveredOffset, true) !== count) return 0;
    const { boundaries } = this.#plan;
    const { cursorsAt, timesAt } = this.layout;
    const end = view.byteLength - 1;
    let touched = 0;
    for (let b = 0; b < boundaries.length; b++) {
      if (view.getFloat64(at + timesAt + 8 * b, true) > facts.timeMs - (boundaries[b] as number)) continue;
      touched += view.getUint8(Math.min(end, recordsAt + stride * view.getUint16(at + cursorsAt + 2 * b, true)));
    }
    return touched + this.#tables.touch(view, tablesAt, view.getUint16(at + slotsAt, true), facts);
  }

  /** Cursors and results as of the newest record; the accelerator must be valid. */
  read(evaluation: Evaluation): void {
    const cell = this.#cell;
    const view = this.#view;
    const { cursors, results } = evaluation;
    const at = this.#at;
    evaluation.end = cell.count;
    evaluation.timeMs = cell.timeAt(cell.count - 1);
    for (let b = 0; b < cursors.length; b++) cursors[b] = view.getUint16(this.#cursorsAt + 2 * b, true);
    const { states, walked } = this.layout;
    for (let s = 0; s < states.length; s++) {
      const state = states[s] as WindowState;
      const stateAt = at + state.at;
      if (state.type === sumType) {
        results[state.slot] = view.getFloat64(stateAt, true);
        results[state.slot + 1] = 0;
      } else if (state.type === squaresType) {
        results[state.slot] = view.getFloat64(stateAt, true);
        results[state.slot + 1] = view.getFloat64(stateAt + 8, true);
      } else {
        const value = view.getUint16(stateAt, true);
        if (state.type === countType || state.type === distinctType) results[state.slot] = value;
        else results[state.slot] = value === noRecord ? Number.NaN : cell.amountLow(value);
      }
    }
    for (let w = 0; w < walked.length; w++) {
      const lane = this.#plan.lanes[walked[w] as number] as Lane;
      runLane(cell, lane, cursors, cursors[lane.stop] as number, results);
    }
  }

  /** A label changed on record i. */
  labelled(i: number, on: boolean): void {
    const view = this.#view;
    const flags = this.#cell.flagsAt(i) | fraudBit;
    for (const state of this.layout.states) {
      const counted = state.type === countType && (state.mask & fraudBit) !== 0;
      if (!counted || (flags & state.mask) !== state.mask || !this.#inWindow(state, i)) continue;
      view.setUint16(this.#at + state.at, view.getUint16(this.#at + state.at, true) + (on ? 1 : -1), true);
    }
  }

  /**
   * Makes everything anew from the records; `scratch` is overwritten. Answers false, and stays invalid, when the tables
   * have too few slots.
   */
  rebuild(scratch: Evaluation): boolean {
    const cell = this.#cell;
    const view = this.#view;
    const at = this.#at;
    if (!this.#tables.fill()) return false;
    scratch.run(cell, cell.count - 1);
    for (let b = 0; b < scratch.cursors.length; b++) {
      const cursor = scratch.cursors[b] as number;
      view.setUint16(this.#cursorsAt + 2 * b, cursor, true);
      view.setFloat64(this.#timesAt + 8 * b, cell.timeAt(cursor), true);
    }
    for (const state of this.layout.states) {
      const stateAt = at + state.at;
      const value = scratch.results[state.slot] as number;
      if (state.type === countType || state.type === distinctType) view.setUint16(stateAt, value, true);
      else if (state.type === minType || state.type === maxType) {
        const from = scratch.cursors[state.start] as number;
        view.setUint16(stateAt, latestExtreme(cell, state.mask, state.sign, from), true);
      } else view.setFloat64(stateAt, value, true);
      if (state.type === squaresType) {
        view.setFloat64(stateAt + 8, scratch.results[state.slot + 1] as number, true);
      }
    }
    view.setUint16(at + coveredOffset, cell.count, true);
    return true;
  }

  /** The oldest n records were taken away. What was valid stays so when no window held them. */
  forgot(n: number): void {
    const cell = this.#cell;
    const view = this.#view;
    const covered = view.getUint16(this.#at + coveredOffset, true);
    const count = this.#plan.boundaries.length;
    let lowest = covered === cell.count + n ? n : 0;
    for (let b = 0; b < count; b++) lowest = Math.min(lowest, view.getUint16(this.#cursorsAt + 2 * b, true));
    if (lowest < n || !this.#tables.fill()) {
      this.invalidate();
      return;
    }
    const lower = (at: number): void => view.setUint16(at, view.getUint16(at, true) - n, true);
    for (let b = 0; b < count; b++) lower(this.#cursorsAt + 2 * b);
    for (const state of this.layout.states) {
      const at = this.#at + state.at;
      if ((state.type === minType || state.type === maxType) && view.getUint16(at, true) !== noRecord) lower(at);
    }
    view.setUint16(this.#at + coveredOffset, cell.count, true);
  }

  /** Moves one boundary on: records up to `bound` leave the windows that start there, and enter those that stop there. */
  #pass(b: number, bound: number): void {
    const cell = this.#cell;
    const view = this.#view;
    const cursorAt = this.#cursorsAt + 2 * b;
    const timeAt = this.#timesAt + 8 * b;
    let timeMs = view.getFloat64(timeAt, true);
    let cursor = view.getUint16(cursorAt, true);
    if (timeMs > bound) {
      this.#cursors[b] = cursor;
      return;
    }
    const leaving = this.layout.leaving[b] as readonly WindowState[];
    const entering = this.layout.entering[b] as readonly WindowState[];
    do {
      for (let s = 0; s < entering.length; s++) this.#change(entering[s] as WindowState, cursor, 1);
      for (let s = 0; s < leaving.length; s++) this.#change(leaving[s] as WindowState, cursor, -1);
      cursor++;
      timeMs = cell.timeAt(cursor);
    } while (timeMs <= bound);
    view.setUint16(cursorAt, cursor, true);
    view.setFloat64(timeAt, timeMs, true);
    this.#cursors[b] = cursor;
  }

  /** Adds record i to a window's state or takes it off. Extremes are not kept this way. */
  #change(state: WindowState, i: number, sign: 1 | -1): void {
    const cell = this.#cell;
    const view = this.#view;
    if (state.mask !== 0 && (cell.flagsAt(i) & state.mask) !== state.mask) return;
    const at = this.#at + state.at;
    if (state.type === countType) view.setUint16(at, view.getUint16(at, true) + sign, true);
    else if (state.type === sumType) {
      view.setFloat64(at, view.getFloat64(at, true) + sign * cell.amountLow(i), true);
    } else if (state.type === squaresType) {
      const amount = cell.amountLow(i);
      view.setFloat64(at, view.getFloat64(at, true) + sign * squareLow(amount), true);
      view.setFloat64(at + 8, view.getFloat64(at + 8, true) + sign * squareHigh(amount), true);
    } else {
      // A value goes with its last record.
      const tables = this.#tables;
      const value = tables.valueAt(state.index, i);
      if (value === 0 || tables.afterLast(tables.find(state.index, value)) !== i + 1) return;
      view.setUint16(at, view.getUint16(at, true) - 1, true);
    }
  }

  #enterNewest(last: number): void {
    const { atNewest, indexes } = this.layout;
    for (let s = 0; s < atNewest.length; s++) {
      const state = atNewest[s] as WindowState;
      if (state.type < minType) this.#change(state, last, 1);
      else if (state.type !== distinctType) this.#enterExtreme(state, last);
    }
    for (let x = 0; x < indexes.length; x++) {
      const value = this.#tables.valueAt(x, last);
      if (value !== 0) this.#enterDistinct(x, value, last);
    }
  }

  /** Counts the value of record i in the windows from `cursor ≤ i` on where it is the only one so far. */
  #enterDistinct(x: number, value: number, i: number): void {
    const view = this.#view;
    const { atNewest } = this.layout;
    const slot = this.#tables.find(x, value);
    const before = this.#tables.afterLast(slot);
    // A later record has the value: wherever this one counts, that one does.
    if (before > i + 1) return;
    for (let s = 0; s < atNewest.length; s++) {
      const state = atNewest[s] as WindowState;
      if (state.index !== x) continue;
      const cursor = this.#cursors[state.start] as number;
      if (before > cursor || i < cursor) continue;
      const at = this.#at + state.at;
      view.setUint16(at, view.getUint16(at, true) + 1, true);
    }
    this.#tables.setLast(x, slot, value, i);
  }

  #enterExtreme(state: WindowState, last: number): void {
    const cell = this.#cell;
    const at = this.#at + state.at;
    const position = this.#view.getUint16(at, true);
    const cursor = this.#cursors[state.start] as number;
    let best = position;
    if (position !== noRecord && position < cursor) best = latestExtreme(cell, state.mask, state.sign, cursor);
    else if (state.mask === 0 || (cell.flagsAt(last) & state.mask) === state.mask) {
      const amount = state.sign * cell.amountLow(last);
      // The latest of equals: it stays longest.
      if (position === noRecord || amount <= state.sign * cell.amountLow(position)) best = last;
    }
    if (best !== position) this.#view.setUint16(at, best, true);
  }

  /** The windows stay as of the newest record; one before it came in between. */
  #insertLate(position: number): void {
    const cell = this.#cell;
    const view = this.#view;
    const timeMs = cell.timeAt(position);
    const newestMs = cell.timeAt(cell.count - 1);
    const { boundaries } = this.#plan;
    for (let b = 0; b < boundaries.length; b++) {
      const at = this.#cursorsAt + 2 * b;
      let cursor = view.getUint16(at, true);
      if (timeMs <= newestMs - (boundaries[b] as number)) cursor++;
      else if (position === cursor) view.setFloat64(this.#timesAt + 8 * b, timeMs, true);
      view.setUint16(at, cursor, true);
      this.#cursors[b] = cursor;
    }
    for (const state of this.layout.states) {
      if (state.type === minType || state.type === maxType) this.#insertExtreme(state, position);
      else if (state.type !== distinctType && this.#inWindow(state, position)) this.#change(state, position, 1);
    }
    for (let x = 0; x < this.layout.indexes.length; x++) {
      this.#tables.pushUp(x, position);
      const value = this.#tables.valueAt(x, position);
      if (value !== 0) this.#enterDistinct(x, value, position);
    }
  }

  #inWindow({ start, stop }: WindowState, i: number): boolean {
    const cursor = (b: number): number => this.#view.getUint16(this.#cursorsAt + 2 * b, true);
    return i >= cursor(start) && (stop < 0 || i < cursor(stop));
  }

  #insertExtreme(state: WindowState, position: number): void {
    const cell = this.#cell;
    const at = this.#at + state.at;
    let best = this.#view.getUint16(at, true);
    if (best !== noRecord && best >= position) best++;
    if (this.#inWindow(state, position) && (cell.flagsAt(position) & state.mask) === state.mask) {
      if (best === noRecord || state.sign * cell.amountLow(position) < state.sign * cell.amountLow(best))
        best = position;
    }
    this.#view.setUint16(at, best, true);
  }
}
