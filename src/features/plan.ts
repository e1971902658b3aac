import type { Gather } from './common.ts';
import type { FieldCode } from './fields.ts';
import type { PaymentPredicate } from './filters.ts';

/**
 * What one entity kind of a release keeps of each event, and how its features are computed from that.
 *
 * Boundaries are the distinct distances `delay` and `delay + window` into the past. For an event at t, the cursor of a
 * boundary is the index of the first record later than `t − distance`; a window is the records between two cursors.
 * A lane is one quantity accumulated over nested windows that end at the same boundary.
 */
export const laneTypes = { count: 0, sum: 1, squares: 2, min: 3, max: 4, distinct: 5 } as const;
export type LaneType = (typeof laneTypes)[keyof typeof laneTypes];

/** Bit 0 of a record's flags says "labelled as fraud"; the filters take the others. */
export const fraudBit = 1;

/** What is accumulated, whatever the window; buckets hold one of each. */
export interface Quantity {
  readonly type: LaneType;
  /** Flags a record must have to count. */
  readonly mask: number;
  /** Index into `columns` for `distinct`, otherwise −1. */
  readonly column: number;
}

export interface Lane extends Quantity {
  readonly quantity: number;
  readonly columnAt: number;
  readonly columnBytes: number;
  /** Boundary where the windows end; −1: at the event itself. */
  readonly stop: number;
  /** Boundaries where the windows start, nearest first. */
  readonly starts: Int32Array;
  /** Where the results go: `slot + k × width` for start k. */
  readonly slot: number;
  /** `sum` and `squares` are two numbers, worth low + high × 2³². */
  readonly width: 1 | 2;
}

export const opCodes = {
  count: 0,
  sum: 1,
  mean: 2,
  min: 3,
  max: 4,
  stddev: 5,
  distinct: 6,
  fraudRate: 7,
  sinceLast: 8,
  sinceFirst: 9,
  isFirst: 10,
  frauds: 11,
  unusual: 12,
  fraudRun: 13,
  sinceFraudRun: 14,
  sinceFraud: 15,
  sinceGenuine: 16,
  sinceLastInRole: 17,
  sinceFirstInRole: 18,
  isFirstInRole: 19,
} as const;

/** Without windows, what was before the payment is told otherwise where the payment itself is not among the events. */
export const roleOpCodes: ReadonlyMap<string, number> = new Map([
  ['sinceLast', opCodes.sinceLastInRole],
  ['sinceFirst', opCodes.sinceFirstInRole],
  ['isFirst', opCodes.isFirstInRole],
]);

/** One feature. Slots are −1 where the aggregate does not need them; `countSlot` −1 means "all records between the cursors". */
export interface Op {
  readonly code: number;
  readonly feature: number;
  readonly start: number;
  readonly stop: number;
  readonly windowMs: number;
  readonly delayMs: number;
  readonly mask: number;
  readonly column: number;
  readonly countSlot: number;
  readonly slot: number;
  readonly squaresSlot: number;
  /** How far back the feature looks, what it compares with included. */
  readonly reachMs: number;
  /** Of `unusual`, otherwise undefined. */
  readonly threshold: Threshold | undefined;
}

/** An amount above `factor` means, or above the mean by `factor` deviations, of the reference window is unusual. */
export interface Threshold {
  readonly factor: number;
  /** Mean and deviation of the reference window; `deviation` is undefined where only the mean matters. */
  readonly mean: Op;
  readonly deviation: Op | undefined;
}

/** Counts of amounts above thresholds, over nested windows that end at the same boundary: one walk for all of them. */
export interface UnusualLane {
  readonly mask: number;
  readonly stop: number;
  readonly starts: Int32Array;
  readonly thresholds: readonly Threshold[];
  /** The result of threshold t and start k goes to `slot + t × starts.length + k`. */
  readonly slot: number;
}

/** Bytes before a bucket's quantities, and of each quantity by lane type (layout in buckets.ts). */
export const bucketHeadBytes = 33;
export const quantityBytes: readonly number[] = [4, 12, 12, 8, 8, 24];

export interface Column {
  readonly field: FieldCode;
  readonly bytes: 2 | 4;
  /** Offset in the record. */
  readonly at: number;
}

/** Record layout: time (6 bytes), id hash (4), flags (1, when used), columns, amount last (its width is the entity's). */
export const recordTimeAt = 0;
export const recordIdAt = 6;
export const recordFlagsAt = 10;

/** The plan by which events are kept and read; or one that reads the same state in another role (`FeatureProgram.roles`). */
export interface EntityPlan {
  readonly kind: string;
  readonly index: number;
  /** Names the record and bucket layout of this kind; stands in the header of its state. */
  readonly fingerprint: number;
  /** The payment's fields that say whose state it is. */
  readonly fields: readonly FieldCode[];
  readonly hasFlags: boolean;
  readonly hasLabel: boolean;
  readonly hasAmount: boolean;
  readonly columns: readonly Column[];
  /** Bytes of a record without its amount; the amount stands right after. */
  readonly amountAt: number;
  /** Filter i sets bit i + 1 of the flags. */
  readonly filters: readonly PaymentPredicate[];
  /** Milliseconds into the past, ascending. */
  readonly boundaries: Float64Array;
  readonly quantities: readonly Quantity[];
  /** Bytes of one bucket, and where in it each quantity stands (see buckets.ts). */
  readonly bucketBytes: number;
  readonly quantityAt: readonly number[];
  readonly lanes: readonly Lane[];
  readonly unusual: readonly UnusualLane[];
  readonly slotCount: number;
  readonly ops: readonly Op[];
  readonly featureIndexes: readonly number[];
  /** Features whose values are wanted, not only their number. */
  readonly gathers: readonly Gather[];
  /** Some feature looks back without a window. */
  readonly keptForLife: boolean;
  /** The farthest a window reaches back, in whatever role. */
  readonly reachMs: number;
  readonly ringEventsMax: number;
}
