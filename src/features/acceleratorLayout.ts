import { type EntityPlan, laneTypes, type LaneType } from './plan.ts';

/**
 * Where the parts of a dense entity's accelerator stand. It is derived from the records and never stored: every window
 * of every lane as of the newest record, so that an event costs what enters and leaves its windows, not what they hold.
 *
 * The fixed part: 0 records covered u16 (0xffff: must be rebuilt) · 2 slots of each table u16 · per table its values
 * u16 · per boundary its cursor u16 · per boundary the time of the record at its cursor f64 · the windows' states. The
 * tables, one for each column that is counted as distinct, tell for each value the last record that has it: value i32,
 * record + 1 u16 (0: free).
 */
export const coveredAt = 0;
export const slotsAt = 2;
export const valuesAt = 4;
export const slotBytes = 6;
/** Records covered by one that must be rebuilt; the rest of it may then be anything. */
export const nothingCovered = 0xffff;
/** An entity gets an accelerator with its so-manieth record; below, walking the records is as fast. */
export const acceleratedRecordsMin = 32;

export interface IndexPlan {
  readonly mask: number;
  readonly column: number;
  readonly field: number;
  readonly columnAt: number;
  readonly columnBytes: number;
}

/** One window of one lane, as of the newest record. */
export interface WindowState {
  readonly type: LaneType;
  readonly mask: number;
  readonly start: number;
  /** −1: the window ends at the newest record. */
  readonly stop: number;
  /** Table of `distinct`, otherwise −1. */
  readonly index: number;
  /** 1 for the smallest, −1 for the largest amount. */
  readonly sign: number;
  /** Offset in the accelerator: u16 count or record, f64 sum, two f64 for squares. */
  readonly at: number;
  /** Slot of the result in an evaluation. */
  readonly slot: number;
}

export interface AcceleratorPlan {
  readonly cursorsAt: number;
  readonly timesAt: number;
  readonly states: readonly WindowState[];
  /** States that end at the newest record: each new one enters them. */
  readonly atNewest: readonly WindowState[];
  /** By boundary: additive states that a record leaves, or enters, when the boundary passes it. */
  readonly leaving: readonly (readonly WindowState[])[];
  readonly entering: readonly (readonly WindowState[])[];
  readonly indexes: readonly IndexPlan[];
  /** Lanes without a state: extremes and distinct counts of windows that end in the past. */
  readonly walked: readonly number[];
  readonly fixedBytes: number;
}

const stateBytes: Readonly<Record<LaneType, number>> = { 0: 2, 1: 8, 2: 16, 3: 2, 4: 2, 5: 2 };

function isAdditive(type: LaneType): boolean {
  return type === laneTypes.count || type === laneTypes.sum || type === laneTypes.squares;
}

function planIndexes(plan: EntityPlan): IndexPlan[] {
  const indexes: IndexPlan[] = [];
  for (const { type, mask, column, columnAt, columnBytes, stop } of plan.lanes) {
    if (type !== laneTypes.distinct || stop >= 0) continue;
    if (indexes.some((i) => i.mask === mask && i.column === column)) continue;
    indexes.push({ mask, column, field: plan.columns[column]?.field ?? 0, columnAt, columnBytes });
  }
  return indexes;
}

export function planAccelerator(plan: EntityPlan): AcceleratorPlan {
  const boundaries = plan.boundaries.length;
  const indexes = planIndexes(plan);
  const states: WindowState[] = [];
  const walked: number[] = [];
  const cursorsAt = valuesAt + 2 * indexes.length;
  const timesAt = cursorsAt + 2 * boundaries;
  let at = timesAt + 8 * boundaries;
  plan.lanes.forEach((lane, l) => {
    const { type, mask, stop, width } = lane;
    if (!isAdditive(type) && stop >= 0) {
      walked.push(l);
      return;
    }
    const index =
      type === laneTypes.distinct ? indexes.findIndex((i) => i.mask === mask && i.column === lane.column) : -1;
    lane.starts.forEach((start, k) => {
      const sign = type === laneTypes.min ? 1 : -1;
      states.push({ type, mask, start, stop, index, sign, at, slot: lane.slot + k * width });
      at += stateBytes[type];
    });
  });
  const additive = states.filter((state) => isAdditive(state.type));
  const at0 = Array.from({ length: boundaries }, (_, b) => b);
  return {
    cursorsAt,
    timesAt,
    states,
    atNewest: states.filter((state) => state.stop < 0),
    leaving: at0.map((b) =>
      states.filter((s) => s.start === b && s.type !== laneTypes.min && s.type !== laneTypes.max),
    ),
    entering: at0.map((b) => additive.filter((s) => s.stop === b)),
    indexes,
    walked,
    fixedBytes: (at + 1) & ~1,
  };
}

/** Slots a table starts with; a power of two, as always. */
export const tableSlotsMin = 16;

/** Whether a table with so many values should have more slots: no more than three quarters are taken. */
export function isTableCrowded(values: number, slots: number): boolean {
  return 4 * values > 3 * slots;
}

export function tablesBytes(plan: AcceleratorPlan, slots: number): number {
  return plan.indexes.length * slotBytes * slots;
}

/** Marks the accelerator at `at` as unusable until it is rebuilt, its tables having so many slots. */
export function invalidateAccelerator(view: DataView, at: number, slots: number): void {
  view.setUint16(at + coveredAt, nothingCovered, true);
  view.setUint16(at + slotsAt, slots, true);
}
