import { type IndexPlan, isTableCrowded, slotBytes } from './acceleratorLayout.ts';
import type { PaymentFacts } from './facts.ts';
import type { StateCell } from './state.ts';

// A copy: what a module imports is looked up anew at every use, what is its own is known to the compiler.
const slotSize = slotBytes;
const hashFactor = 0x9e3779b1;

/**
 * The accelerator's tables, one for each column that is counted as distinct: for each value the last record that has it.
 * Open addressing; opened anew for each entity, like StateCell.
 */
export class DistinctTables {
  readonly #indexes: readonly IndexPlan[];
  #cell!: StateCell;
  #view!: DataView;
  /** Where the number of values of each table stands. */
  #valuesAt = 0;
  #tablesAt = 0;
  #shift = 0;
  /** Slots of each table, a power of two. */
  slots = 0;

  constructor(indexes: readonly IndexPlan[]) {
    this.#indexes = indexes;
  }

  open(cell: StateCell, valuesAt: number, tablesAt: number, slots: number): void {
    this.#cell = cell;
    this.#view = cell.view;
    this.#valuesAt = valuesAt;
    this.#tablesAt = tablesAt;
    this.slots = slots;
    this.#shift = Math.clz32(slots) + 1;
  }

  /** Some table needs more slots before another record comes. */
  get crowded(): boolean {
    for (let x = 0; x < this.#indexes.length; x++) if (this.#isCrowded(x)) return true;
    return false;
  }

  /** Makes the tables anew from the records. Answers false when the values do not fit. */
  fill(): boolean {
    const cell = this.#cell;
    const count = this.#indexes.length;
    cell.bytes.fill(0, this.#valuesAt, this.#valuesAt + 2 * count);
    cell.bytes.fill(0, this.#tablesAt, this.#tablesAt + count * slotSize * this.slots);
    for (let x = 0; x < count; x++) {
      for (let i = 0; i < cell.count; i++) {
        const value = this.valueAt(x, i);
        if (value !== 0) this.setLast(x, this.find(x, value), value, i);
        if (this.#isCrowded(x)) return false;
      }
    }
    return true;
  }

  /** The value of record i that table x counts, 0 when it has none. */
  valueAt(x: number, i: number): number {
    const { mask, columnAt, columnBytes } = this.#indexes[x] as IndexPlan;
    if (mask !== 0 && (this.#cell.flagsAt(i) & mask) !== mask) return 0;
    return this.#cell.columnValue(i, columnAt, columnBytes);
  }

  /** Where the value stands in table x, or the free slot where it would. */
  find(x: number, value: number): number {
    const view = this.#view;
    const table = this.#tablesAt + x * slotSize * this.slots;
    let slot = Math.imul(value, hashFactor) >>> this.#shift;
    for (;;) {
      const at = table + slotSize * slot;
      if (view.getUint16(at + 4, true) === 0 || view.getInt32(at, true) === value) return at;
      slot = (slot + 1) & (this.slots - 1);
    }
  }

  /** One more than the last record that has the slot's value, 0 when the slot is free. */
  afterLast(slot: number): number {
    return this.#view.getUint16(slot + 4, true);
  }

  setLast(x: number, slot: number, value: number, i: number): void {
    const view = this.#view;
    if (view.getUint16(slot + 4, true) === 0) {
      const at = this.#valuesAt + 2 * x;
      view.setUint16(at, view.getUint16(at, true) + 1, true);
      view.setInt32(slot, value, true);
    }
    view.setUint16(slot + 4, i + 1, true);
  }

  /** Renumbers what a late record has pushed up by one. */
  pushUp(x: number, position: number): void {
    const view = this.#view;
    const table = this.#tablesAt + x * slotSize * this.slots;
    for (let at = table + 4; at < table + slotSize * this.slots; at += slotSize) {
      const last = view.getUint16(at, true);
      if (last > position) view.setUint16(at, last + 1, true);
    }
  }

  /** Reads the slots that the payment will need, of tables that need not be open. */
  touch(view: DataView, tablesAt: number, slots: number, facts: PaymentFacts): number {
    const shift = Math.clz32(slots) + 1;
    let touched = 0;
    for (let x = 0; x < this.#indexes.length; x++) {
      const value = facts.codes[(this.#indexes[x] as IndexPlan).field] as number;
      const slot = Math.imul(value, hashFactor) >>> shift;
      touched += view.getUint8(tablesAt + slotSize * (x * slots + slot));
    }
    return touched;
  }

  #isCrowded(x: number): boolean {
    return isTableCrowded(this.#view.getUint16(this.#valuesAt + 2 * x, true), this.slots);
  }
}
