import { type EntityPlan, type Lane, laneTypes, type LaneType } from './plan.ts';

/**
 * Where the parts of a dense entity's accelerator stand. It is derived from the records and never stored: running
 * totals (prefix sums) of the additive quantities, and for what cannot be subtracted, the state of every window as of
 * the newest record. It makes the cost of an event independent of how many events its windows hold.
 *
 * 0 capacity u16 · 2 records covered u16 (0xffff: must be rebuilt) · cursors u16 each · window states u16 each ·
 * prefix sums (capacity + 1 each) · per distinct index: previous + 1, next (u16 a record) and a table of last + 1.
 */
export const acceleratorHeadBytes = 4;
/** Stands for "no record" where the accelerator names one. */
export const noRecord = 0xffff;
/** An entity gets an accelerator with its so-manieth record; below, walking the records is as fast. */
export const acceleratedRecordsMin = 48;
/** Table slots a record; the table is at most half full. */
const slotsPerRecord = 2;

export interface PrefixPlan {
  readonly type: LaneType;
  readonly mask: number;
  /** 2 bytes (count), 8 (sum) or 16 (squares: low and high) an entry. */
  readonly width: number;
}

export interface IndexPlan {
  readonly mask: number;
  readonly columnAt: number;
  readonly columnBytes: number;
}

/** How one lane of the plan is answered; `prefix`, `index` are −1 and `stateAt` is −1 where they do not apply. */
export interface LanePlan {
  readonly lane: Lane;
  readonly prefix: number;
  readonly index: number;
  /** Offset of the lane's window states. */
  readonly stateAt: number;
}

/** One window whose state is kept as of the newest record. */
export interface WindowState {
  readonly boundary: number;
  readonly index: number;
  readonly mask: number;
  /** 1 for the smallest, −1 for the largest amount; 0 for distinct. */
  readonly sign: 0 | 1 | -1;
  /** Offset in the accelerator. */
  readonly at: number;
  /** Slot of the result in an evaluation. */
  readonly slot: number;
}

export interface AcceleratorPlan {
  readonly cursorsAt: number;
  readonly lanes: readonly LanePlan[];
  readonly states: readonly WindowState[];
  readonly prefixes: readonly PrefixPlan[];
  readonly indexes: readonly IndexPlan[];
  /** Bytes before the parts whose size depends on the capacity; a multiple of 8. */
  readonly fixedBytes: number;
}

const prefixWidth: Readonly<Record<number, number>> = {
  [laneTypes.count]: 2,
  [laneTypes.sum]: 8,
  [laneTypes.squares]: 16,
};

function place<T>(list: T[], same: (item: T) => boolean, made: T): number {
  const at = list.findIndex(same);
  return at >= 0 ? at : list.push(made) - 1;
}

export function planAccelerator(plan: EntityPlan): AcceleratorPlan {
  const prefixes: PrefixPlan[] = [];
  const indexes: IndexPlan[] = [];
  const states: WindowState[] = [];
  let at = acceleratorHeadBytes + 2 * plan.boundaries.length;
  const lanes = plan.lanes.map((lane): LanePlan => {
    const { type, mask, columnAt, columnBytes } = lane;
    const width = prefixWidth[type];
    if (width !== undefined) {
      const prefix = place(prefixes, (p) => p.type === type && p.mask === mask, { type, mask, width });
      return { lane, prefix, index: -1, stateAt: -1 };
    }
    // A window that ends in the past has no state as of the newest record: it is walked.
    if (lane.stop >= 0) return { lane, prefix: -1, index: -1, stateAt: -1 };
    const stateAt = at;
    at += 2 * lane.starts.length;
    const made = { mask, columnAt, columnBytes };
    const distinct = type === laneTypes.distinct;
    const index = distinct ? place(indexes, (i) => i.mask === mask && i.columnAt === columnAt, made) : -1;
    const sign = distinct ? 0 : type === laneTypes.min ? 1 : -1;
    lane.starts.forEach((boundary, k) => {
      states.push({ boundary, index, mask, sign, at: stateAt + 2 * k, slot: lane.slot + k });
    });
    return { lane, prefix: -1, index, stateAt };
  });
  return { cursorsAt: acceleratorHeadBytes, lanes, states, prefixes, indexes, fixedBytes: (at + 7) & ~7 };
}

/** Slots of an index table: a power of two. */
export function tableSlots(capacity: number): number {
  return 1 << (32 - Math.clz32(Math.max(1, slotsPerRecord * capacity - 1)));
}

/** Bytes of an accelerator for so many records. */
export function acceleratorBytes(plan: AcceleratorPlan, capacity: number): number {
  let bytes = plan.fixedBytes;
  for (const prefix of plan.prefixes) bytes += prefix.width * (capacity + 1);
  bytes += plan.indexes.length * (4 * capacity + 2 * tableSlots(capacity));
  return (bytes + 15) & ~15;
}
