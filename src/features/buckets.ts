import type { PaymentFacts } from './facts.ts';
import { mix32 } from './hash.ts';
import { squareHigh, squareLow } from './lanes.ts';
import { type EntityPlan, fraudBit, laneTypes, type Quantity } from './plan.ts';
import { readTime, type StateCell, writeTime } from './state.ts';

/**
 * One bucket stands for the events of a stretch of time that are no longer records. Little-endian:
 *
 * 0 first event i48 · 6 last event i48 · 12 events u32 · 16 of which perhaps counted twice u32 · 20 labels that may be
 * off by one each u32 · 24 sum of the amounts perhaps counted twice f64 · 32 loose u8 (an event was taken out: extremes
 * and distinct counts may be too wide) · then the plan's quantities:
 * count u32 · sum and squares low u32, high f64 (value = high × 2³² + low) · min, max f64 · distinct at least u32,
 * at most u32, 128 bits of which value hashes occurred.
 */
export const bitmapBits = 128;
const startAt = 0;
const endAt = 6;
const eventsAt = 12;
const maybeAt = 16;
const labelsAt = 20;
const maybeSumAt = 24;
const looseAt = 32;
export const distinctLowAt = 0;
export const distinctHighAt = 4;
export const bitmapAt = 8;
const two32 = 4294967296;

export const bucketStart = (cell: StateCell, at: number): number => readTime(cell.view, at + startAt);
export const bucketEnd = (cell: StateCell, at: number): number => readTime(cell.view, at + endAt);
export const bucketEvents = (cell: StateCell, at: number): number => cell.view.getUint32(at + eventsAt, true);
export const bucketMaybe = (cell: StateCell, at: number): number => cell.view.getUint32(at + maybeAt, true);
export const bucketLabels = (cell: StateCell, at: number): number => cell.view.getUint32(at + labelsAt, true);
export const bucketMaybeSum = (cell: StateCell, at: number): number => cell.view.getFloat64(at + maybeSumAt, true);
export const bucketLoose = (cell: StateCell, at: number): boolean => cell.view.getUint8(at + looseAt) === 1;

/** Value of a `sum` or `squares` quantity at `at`. */
export function pairLow(view: DataView, at: number): number {
  return view.getUint32(at, true);
}
export function pairHigh(view: DataView, at: number): number {
  return view.getFloat64(at + 4, true);
}

function addPair(view: DataView, at: number, low: number, high: number): void {
  const sum = pairLow(view, at) + low;
  const carry = Math.floor(sum / two32);
  view.setUint32(at, sum - carry * two32, true);
  view.setFloat64(at + 4, pairHigh(view, at) + high + carry, true);
}

function addUint32(view: DataView, at: number, n: number): void {
  view.setUint32(at, Math.max(0, view.getUint32(at, true) + n), true);
}

export function bitOf(value: number): number {
  return mix32(value ^ 0x5bd1e995) & (bitmapBits - 1);
}

function clearBucket(cell: StateCell, at: number): void {
  const { plan, view } = cell;
  cell.bytes.fill(0, at, at + plan.bucketBytes);
  plan.quantities.forEach((q, i) => {
    if (q.type === laneTypes.min) view.setFloat64(at + (plan.quantityAt[i] as number), Number.POSITIVE_INFINITY, true);
    if (q.type === laneTypes.max) view.setFloat64(at + (plan.quantityAt[i] as number), Number.NEGATIVE_INFINITY, true);
  });
}

/** What one event counts for; read from its record or from the payment. */
interface EventValues {
  readonly flags: number;
  readonly amountLow: number;
  readonly amountHigh: number;
  readonly columnValue: (column: number) => number;
}

function addQuantity(cell: StateCell, at: number, q: Quantity, event: EventValues, sign: 1 | -1): void {
  if ((event.flags & q.mask) !== q.mask) return;
  const { view } = cell;
  const { amountLow, amountHigh } = event;
  switch (q.type) {
    case laneTypes.count:
      addUint32(view, at, sign);
      return;
    case laneTypes.sum:
      addPair(view, at, sign * amountLow, sign * amountHigh);
      return;
    case laneTypes.squares:
      // Wide amounts have no exact squares here; folded.ts does not use them then.
      if (amountHigh === 0) addPair(view, at, sign * squareLow(amountLow), sign * squareHigh(amountLow));
      return;
    case laneTypes.min:
      if (sign === 1) view.setFloat64(at, Math.min(view.getFloat64(at, true), amountHigh * two32 + amountLow), true);
      return;
    case laneTypes.max:
      if (sign === 1) view.setFloat64(at, Math.max(view.getFloat64(at, true), amountHigh * two32 + amountLow), true);
      return;
    default:
      if (sign === 1) addDistinct(view, at, event.columnValue(q.column));
  }
}

/** The bitmap tells for sure that a value is new only when its bit was clear. */
function addDistinct(view: DataView, at: number, value: number): void {
  if (value === 0) return;
  const bit = bitOf(value);
  const byteAt = at + bitmapAt + (bit >> 3);
  const before = view.getUint8(byteAt);
  const isNew = (before & (1 << (bit & 7))) === 0;
  view.setUint8(byteAt, before | (1 << (bit & 7)));
  if (isNew) addUint32(view, at + distinctLowAt, 1);
  addUint32(view, at + distinctHighAt, 1);
}

function addEvent(cell: StateCell, at: number, timeMs: number, event: EventValues): void {
  const { plan, view } = cell;
  const empty = bucketEvents(cell, at) === 0;
  if (empty || timeMs < bucketStart(cell, at)) writeTime(view, at + startAt, timeMs);
  if (empty || timeMs > bucketEnd(cell, at)) writeTime(view, at + endAt, timeMs);
  addUint32(view, at + eventsAt, 1);
  plan.quantities.forEach((q, i) => addQuantity(cell, at + (plan.quantityAt[i] as number), q, event, 1));
}

function recordValues(cell: StateCell, i: number): EventValues {
  const wide = cell.amountBytes > 0;
  return {
    flags: cell.flagsAt(i),
    amountLow: wide ? cell.amountLow(i) : 0,
    amountHigh: wide ? cell.amountHigh(i) : 0,
    columnValue: (column) => {
      const { at, bytes } = cell.plan.columns[column] as EntityPlan['columns'][number];
      return cell.columnValue(i, at, bytes);
    },
  };
}

function paymentValues(plan: EntityPlan, facts: PaymentFacts): EventValues {
  const high = Math.floor(facts.amountMinor / two32);
  return {
    flags: facts.flags(plan),
    amountLow: facts.amountMinor - high * two32,
    amountHigh: high,
    columnValue: (column) => facts.codes[plan.columns[column]?.field ?? 0] as number,
  };
}

/** Fills the bucket at `at` from the oldest `n` records. Distinct counts of up to so many records are exact. */
export function fillBucket(cell: StateCell, at: number, n: number): void {
  clearBucket(cell, at);
  for (let i = 0; i < n; i++) addEvent(cell, at, cell.timeAt(i), recordValues(cell, i));
  const { plan, view } = cell;
  plan.quantities.forEach((q, k) => {
    if (q.type !== laneTypes.distinct) return;
    const seen = new Set<number>();
    for (let i = 0; i < n; i++) {
      const event = recordValues(cell, i);
      if ((event.flags & q.mask) === q.mask && event.columnValue(q.column) !== 0) seen.add(event.columnValue(q.column));
    }
    view.setUint32(at + (plan.quantityAt[k] as number) + distinctLowAt, seen.size, true);
    view.setUint32(at + (plan.quantityAt[k] as number) + distinctHighAt, seen.size, true);
  });
}

/** Adds the bucket at `from` to the one at `to`. */
export function mergeBuckets(cell: StateCell, to: number, from: number): void {
  const { plan, view } = cell;
  writeTime(view, to + startAt, Math.min(bucketStart(cell, to), bucketStart(cell, from)));
  writeTime(view, to + endAt, Math.max(bucketEnd(cell, to), bucketEnd(cell, from)));
  for (const at of [eventsAt, maybeAt, labelsAt]) addUint32(view, to + at, view.getUint32(from + at, true));
  view.setFloat64(to + maybeSumAt, bucketMaybeSum(cell, to) + bucketMaybeSum(cell, from), true);
  if (bucketLoose(cell, from)) view.setUint8(to + looseAt, 1);
  plan.quantities.forEach((q, i) => {
    const offset = plan.quantityAt[i] as number;
    mergeQuantity(view, q, to + offset, from + offset);
  });
}

function mergeQuantity(view: DataView, q: Quantity, to: number, from: number): void {
  switch (q.type) {
    case laneTypes.count:
      addUint32(view, to, view.getUint32(from, true));
      return;
    case laneTypes.sum:
    case laneTypes.squares:
      addPair(view, to, pairLow(view, from), pairHigh(view, from));
      return;
    case laneTypes.min:
      view.setFloat64(to, Math.min(view.getFloat64(to, true), view.getFloat64(from, true)), true);
      return;
    case laneTypes.max:
      view.setFloat64(to, Math.max(view.getFloat64(to, true), view.getFloat64(from, true)), true);
      return;
    default: {
      const low = Math.max(view.getUint32(to, true), view.getUint32(from, true));
      let bits = 0;
      for (let b = 0; b < bitmapBits / 8; b++) {
        const union = view.getUint8(to + bitmapAt + b) | view.getUint8(from + bitmapAt + b);
        view.setUint8(to + bitmapAt + b, union);
        bits += bitCount(union);
      }
      // Each bit that occurs stands for at least one value.
      view.setUint32(to + distinctLowAt, Math.max(low, bits), true);
      addUint32(view, to + distinctHighAt, view.getUint32(from + distinctHighAt, true));
    }
  }
}

export function bitCount(byte: number): number {
  let n = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) n++;
  return n;
}

/** The bucket that a time belongs to, −1 when it lies before all of them. */
export function bucketOf(cell: StateCell, timeMs: number): number {
  for (let b = cell.bucketCount - 1; b >= 0; b--) if (bucketStart(cell, cell.bucketAt(b)) <= timeMs) return b;
  return -1;
}

/**
 * Counts an event that comes after its time was folded. Whether it was counted before can no longer be told: it is
 * counted, and the bucket remembers that it may be one too many. Answers false when its time was dropped altogether.
 */
export function addLateToBucket(cell: StateCell, facts: PaymentFacts): boolean {
  const known = bucketOf(cell, facts.timeMs);
  if (cell.bucketCount === 0 || (known < 0 && cell.dropped)) return false;
  const at = cell.bucketAt(Math.max(0, known));
  addEvent(cell, at, facts.timeMs, paymentValues(cell.plan, facts));
  addUint32(cell.view, at + maybeAt, 1);
  cell.view.setFloat64(at + maybeSumAt, bucketMaybeSum(cell, at) + facts.amountMinor, true);
  return true;
}

/** Takes a folded event out again. Answers false when there is nothing to take it from. */
export function removeFromBucket(cell: StateCell, facts: PaymentFacts): boolean {
  const b = bucketOf(cell, facts.timeMs);
  const { plan, view } = cell;
  if (b < 0 || bucketEvents(cell, cell.bucketAt(b)) === 0) return false;
  const at = cell.bucketAt(b);
  const event = paymentValues(plan, facts);
  plan.quantities.forEach((q, i) => addQuantity(cell, at + (plan.quantityAt[i] as number), q, event, -1));
  addUint32(view, at + eventsAt, -1);
  view.setUint8(at + looseAt, 1);
  return true;
}

/** Counts a label of a folded event; a repetition cannot be told from news, so each may be off by one. */
export function labelInBucket(cell: StateCell, facts: PaymentFacts, fraud: boolean): boolean {
  const b = bucketOf(cell, facts.timeMs);
  if (b < 0) return false;
  const { plan, view } = cell;
  const at = cell.bucketAt(b);
  const flags = facts.flags(plan) | fraudBit;
  plan.quantities.forEach((q, i) => {
    if (q.type !== laneTypes.count || (q.mask & fraudBit) === 0 || (flags & q.mask) !== q.mask || !fraud) return;
    const quantityAt = at + (plan.quantityAt[i] as number);
    view.setUint32(quantityAt, Math.min(view.getUint32(quantityAt, true) + 1, bucketEvents(cell, at)), true);
  });
  addUint32(view, at + labelsAt, 1);
  return true;
}
