import { type IndexPlan, noRecord } from './acceleratorLayout.ts';
import { recordFlagsAt } from './plan.ts';
import type { StateCell } from './state.ts';

const hashFactor = 0x9e3779b1;

/**
 * The distinct indexes of one entity's accelerator: each record is linked with the records of the same value before and
 * after it, and a hash table finds the last record of a value. A record whose `previous` lies before a window is the
 * first of its value in it, so distinct values can be kept without counting them anew.
 *
 * `previous` of a record is the index of the one before plus 1, 0 for the first, `noRecord` for one that is not counted;
 * `next` is `noRecord` for the last.
 */
export class ValueLinks {
  readonly #plans: readonly IndexPlan[];
  readonly #at: Int32Array;
  #cell!: StateCell;
  #view!: DataView;
  #capacity = 0;
  #tableMask = 0;
  #tableShift = 0;

  constructor(plans: readonly IndexPlan[]) {
    this.#plans = plans;
    this.#at = new Int32Array(plans.length);
  }

  /** @param slots of each table, a power of two */
  open(cell: StateCell, at: number, capacity: number, slots: number): void {
    this.#cell = cell;
    this.#view = cell.view;
    this.#capacity = capacity;
    this.#tableMask = slots - 1;
    this.#tableShift = Math.clz32(slots) + 1;
    let part = at;
    for (let x = 0; x < this.#at.length; x++) {
      this.#at[x] = part;
      part += 4 * capacity + 2 * slots;
    }
  }

  /** Address of `previous` of record 0 (u16 a record). */
  previousAt(x: number): number {
    return this.#at[x] as number;
  }

  /** Address of `next` of record 0 (u16 a record). */
  nextAt(x: number): number {
    return (this.#at[x] as number) + 2 * this.#capacity;
  }

  /** Takes a record just put at `position` into all indexes. */
  inserted(position: number): void {
    const last = this.#cell.count - 1;
    for (let x = 0; x < this.#at.length; x++) {
      if (position < last) this.#shift(x, position);
      this.#link(x, position);
    }
  }

  rebuild(): void {
    const cell = this.#cell;
    const slots = this.#tableMask + 1;
    for (let x = 0; x < this.#at.length; x++) {
      const table = (this.#at[x] as number) + 4 * this.#capacity;
      cell.bytes.fill(0, table, table + 2 * slots);
      for (let i = 0; i < cell.count; i++) this.#link(x, i);
    }
  }

  /** The value of record `i`, 0 where it has none or does not count. */
  #valueAt(x: number, i: number): number {
    const { mask, columnAt, columnBytes } = this.#plans[x] as IndexPlan;
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
    const previous = this.#at[x] as number;
    const next = previous + 2 * this.#capacity;
    const value = this.#valueAt(x, i);
    if (value === 0) {
      view.setUint16(previous + 2 * i, noRecord, true);
      view.setUint16(next + 2 * i, 0, true);
      return;
    }
    const slot = this.#slotOf(x, value, Number.POSITIVE_INFINITY, 0);
    let before = view.getUint16(slot, true);
    let after = noRecord;
    // A late record: go back from the last of the value to where it belongs.
    while (before > i) {
      after = before - 1;
      before = view.getUint16(previous + 2 * after, true);
    }
    view.setUint16(previous + 2 * i, before, true);
    view.setUint16(next + 2 * i, after, true);
    if (before > 0) view.setUint16(next + 2 * (before - 1), i, true);
    if (after === noRecord) view.setUint16(slot, i + 1, true);
    else view.setUint16(previous + 2 * after, i + 1, true);
  }

  /** Address of the table slot of a value. Entries from `from` up to `to` (indexes) still mean one record earlier. */
  #slotOf(x: number, value: number, from: number, to: number): number {
    const view = this.#view;
    const table = (this.#at[x] as number) + 4 * this.#capacity;
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
  #shift(x: number, position: number): void {
    const view = this.#view;
    const previous = this.#at[x] as number;
    const next = previous + 2 * this.#capacity;
    for (let old = this.#cell.count - 2; old >= position; old--) {
      const before = view.getUint16(previous + 2 * old, true);
      const after = view.getUint16(next + 2 * old, true);
      if (before === noRecord) {
        view.setUint16(previous + 2 * (old + 1), noRecord, true);
        view.setUint16(next + 2 * (old + 1), 0, true);
        continue;
      }
      if (after === noRecord) {
        const slot = this.#slotOf(x, this.#valueAt(x, old + 1), position, old);
        view.setUint16(slot, old + 2, true);
      }
      if (before > 0 && before <= position) view.setUint16(next + 2 * (before - 1), old + 1, true);
      view.setUint16(previous + 2 * (old + 1), before > position ? before + 1 : before, true);
      view.setUint16(next + 2 * (old + 1), after === noRecord ? noRecord : after + 1, true);
    }
  }
}
