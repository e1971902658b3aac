import type { LanePlan, PrefixPlan } from './acceleratorLayout.ts';
import { squareHigh, squareLow } from './lanes.ts';
import { fraudBit, laneTypes } from './plan.ts';
import type { StateCell } from './state.ts';

/** The prefix sums of one entity's accelerator: what lies between two cursors is the difference of two totals. */
export class RunningTotals {
  readonly #plans: readonly PrefixPlan[];
  readonly #at: Int32Array;
  #cell!: StateCell;
  #view!: DataView;

  constructor(plans: readonly PrefixPlan[]) {
    this.#plans = plans;
    this.#at = new Int32Array(plans.length);
  }

  /** @returns where the totals that stand at `at`, with room for `capacity` records, end */
  open(cell: StateCell, at: number, capacity: number): number {
    this.#cell = cell;
    this.#view = cell.view;
    let end = at;
    for (let p = 0; p < this.#plans.length; p++) {
      this.#at[p] = end;
      end += (this.#plans[p] as PrefixPlan).width * (capacity + 1);
    }
    return end;
  }

  /** Takes a record just put at `position` into all totals. */
  inserted(position: number): void {
    for (let p = 0; p < this.#plans.length; p++) this.#extend(p, position);
  }

  /** A label changed on record i: the running counts from there on change by one. */
  labelled(i: number, flags: number, on: boolean): void {
    const view = this.#view;
    this.#plans.forEach((plan, p) => {
      if (plan.type !== laneTypes.count || (plan.mask & fraudBit) === 0) return;
      if (((flags | fraudBit) & plan.mask) !== plan.mask) return;
      const base = this.#at[p] as number;
      for (let at = base + 2 * (i + 1); at <= base + 2 * this.#cell.count; at += 2) {
        view.setUint16(at, view.getUint16(at, true) + (on ? 1 : -1), true);
      }
    });
  }

  rebuild(): void {
    const cell = this.#cell;
    for (let p = 0; p < this.#plans.length; p++) {
      const { width } = this.#plans[p] as PrefixPlan;
      cell.bytes.fill(0, this.#at[p], (this.#at[p] as number) + width);
      for (let i = 0; i < cell.count; i++) this.#append(p, i);
    }
  }

  /** Writes a lane's results: the totals at `stop` less those at the windows' starts. */
  read(planned: LanePlan, cursors: Int32Array, stop: number, results: Float64Array): void {
    const view = this.#view;
    const { starts, slot, type } = planned.lane;
    const base = this.#at[planned.prefix] as number;
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

  /** Puts record `position` into running totals that already cover the records before and after it. */
  #extend(p: number, position: number): void {
    const { width } = this.#plans[p] as PrefixPlan;
    const base = this.#at[p] as number;
    const last = this.#cell.count - 1;
    if (position === last) {
      this.#append(p, position);
      return;
    }
    this.#cell.bytes.copyWithin(base + width * (position + 1), base + width * position, base + width * (last + 1));
    for (let i = last; i >= position; i--) this.#add(p, i + 1, position);
  }

  #append(p: number, i: number): void {
    const { width } = this.#plans[p] as PrefixPlan;
    const at = (this.#at[p] as number) + width * i;
    this.#cell.bytes.copyWithin(at + width, at, at + width);
    this.#add(p, i + 1, i);
  }

  /** Adds what record `i` counts for to running total number `entry`. */
  #add(p: number, entry: number, i: number): void {
    const { type, mask, width } = this.#plans[p] as PrefixPlan;
    const cell = this.#cell;
    if (mask !== 0 && (cell.flagsAt(i) & mask) !== mask) return;
    const view = this.#view;
    const at = (this.#at[p] as number) + width * entry;
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
}
