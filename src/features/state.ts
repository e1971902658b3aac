import { type EntityPlan, recordFlagsAt, recordIdAt } from './plan.ts';

/**
 * The state of one entity: `header | buckets | records`, little-endian, self-contained.
 *
 * Header (20 bytes): 0 version u8 · 1 shape u8 (bits 0–2 amount width, 3–6 buckets, 7 history dropped) · 2 records u16 ·
 * 4 layout fingerprint u32 · 8 first seen i48 · 14 complete since i48 (every known event later than this is a record).
 * Records have a fixed stride and are sorted by time, then arrival. Times are i48 milliseconds since the Unix epoch.
 */
export const stateVersion = 1;
export const headerBytes = 20;
export const bucketsMax = 12;
/** "No time": earlier than every event. */
export const noTime = -(2 ** 47);

const idOffset = recordIdAt;
const flagsOffset = recordFlagsAt;
const shapeAt = 1;
const countAt = 2;
const fingerprintAt = 4;
const firstSeenAt = 8;
const completeSinceAt = 14;
const droppedFlag = 0x80;
const two32 = 4294967296;

/** Widths an amount can have in a record; an entity uses the narrowest that fits all its amounts. */
export const amountWidths = { small: 3, medium: 4, wide: 7 } as const;

const { small: smallWidth, medium: mediumWidth, wide: wideWidth } = amountWidths;
export function amountWidth(amountMinor: number): number {
  if (amountMinor < 2 ** 24) return smallWidth;
  return amountMinor < two32 ? mediumWidth : wideWidth;
}

export function readTime(view: DataView, at: number): number {
  return view.getInt16(at + 4, true) * two32 + view.getUint32(at, true);
}

export function writeTime(view: DataView, at: number, timeMs: number): void {
  const high = Math.floor(timeMs / two32);
  view.setUint32(at, timeMs - high * two32, true);
  view.setInt16(at + 4, high, true);
}

/** Writes an amount, given as its low and high 32 bits, in so many bytes. */
export function writeAmount(view: DataView, at: number, amountBytes: number, low: number, high: number): void {
  if (amountBytes === 3) {
    view.setUint16(at, low & 0xffff, true);
    view.setUint8(at + 2, low >>> 16);
    return;
  }
  view.setUint32(at, low, true);
  if (amountBytes === 4) return;
  view.setUint16(at + 4, high & 0xffff, true);
  view.setUint8(at + 6, high >>> 16);
}

/** What is wrong with stored bytes for this plan, undefined when they are its own. */
export function foreignState(plan: EntityPlan, bytes: Uint8Array): string | undefined {
  if (bytes.length < headerBytes) return 'shorter than a header';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint8(0) !== stateVersion) return `version ${view.getUint8(0)}, not ${stateVersion}`;
  if (view.getUint32(fingerprintAt, true) !== plan.fingerprint) return 'made by another release';
  const cell = new StateCell();
  cell.open(plan, view, bytes, 0);
  const known = cell.amountBytes === 0 ? !plan.hasAmount : plan.hasAmount;
  if (!known || ![0, 3, 4, 7].includes(cell.amountBytes)) return 'unknown amount width';
  return cell.stateBytes() === bytes.length ? undefined : 'length does not fit its header';
}

/** A view of one entity's state, opened again for every entity: no object is made per entity. */
export class StateCell {
  plan!: EntityPlan;
  view!: DataView;
  bytes!: Uint8Array;
  base = 0;
  count = 0;
  stride = 0;
  amountBytes = 0;
  bucketCount = 0;
  dropped = false;
  /** Where record 0 stands. */
  recordsAt = 0;

  open(plan: EntityPlan, view: DataView, bytes: Uint8Array, base: number): void {
    this.plan = plan;
    this.view = view;
    this.bytes = bytes;
    this.base = base;
    const shape = view.getUint8(base + shapeAt);
    this.count = view.getUint16(base + countAt, true);
    this.setShape(shape & 7, (shape >> 3) & 15, (shape & droppedFlag) !== 0);
  }

  /** Writes the header of an entity without events. */
  create(plan: EntityPlan, view: DataView, bytes: Uint8Array, base: number): void {
    this.plan = plan;
    this.view = view;
    this.bytes = bytes;
    this.base = base;
    this.count = 0;
    view.setUint8(base, stateVersion);
    view.setUint32(base + fingerprintAt, plan.fingerprint, true);
    writeTime(view, base + firstSeenAt, noTime);
    writeTime(view, base + completeSinceAt, noTime);
    this.setShape(plan.hasAmount ? amountWidths.small : 0, 0, false);
    this.writeShape();
  }

  setShape(amountBytes: number, bucketCount: number, dropped: boolean): void {
    this.amountBytes = amountBytes;
    this.bucketCount = bucketCount;
    this.dropped = dropped;
    this.stride = this.plan.amountAt + amountBytes;
    this.recordsAt = this.base + headerBytes + bucketCount * this.plan.bucketBytes;
  }

  /** Writes shape and count back; records and buckets must already stand where the shape says. */
  writeShape(): void {
    const shape = this.amountBytes | (this.bucketCount << 3) | (this.dropped ? droppedFlag : 0);
    this.view.setUint8(this.base + shapeAt, shape);
    this.view.setUint16(this.base + countAt, this.count, true);
  }

  /** Writes the number of records back, where nothing else changed. */
  writeCount(): void {
    this.view.setUint16(this.base + countAt, this.count, true);
  }

  /** True when some events are no longer records: a window may reach beyond the ring. */
  get folded(): boolean {
    return this.bucketCount > 0 || this.dropped;
  }
  get firstSeenMs(): number {
    return readTime(this.view, this.base + firstSeenAt);
  }
  set firstSeenMs(timeMs: number) {
    writeTime(this.view, this.base + firstSeenAt, timeMs);
  }
  get completeSinceMs(): number {
    return readTime(this.view, this.base + completeSinceAt);
  }
  set completeSinceMs(timeMs: number) {
    writeTime(this.view, this.base + completeSinceAt, timeMs);
  }

  stateBytes(): number {
    return this.recordsAt - this.base + this.count * this.stride;
  }
  bucketAt(i: number): number {
    return this.base + headerBytes + i * this.plan.bucketBytes;
  }

  timeAt(i: number): number {
    const at = this.recordsAt + i * this.stride;
    return this.view.getInt16(at + 4, true) * two32 + this.view.getUint32(at, true);
  }
  idAt(i: number): number {
    return this.view.getInt32(this.recordsAt + i * this.stride + idOffset, true);
  }
  flagsAt(i: number): number {
    return this.plan.hasFlags ? this.view.getUint8(this.recordsAt + i * this.stride + flagsOffset) : 0;
  }
  columnValue(i: number, columnAt: number, columnBytes: number): number {
    const at = this.recordsAt + i * this.stride + columnAt;
    return columnBytes === 4 ? this.view.getInt32(at, true) : this.view.getUint16(at, true);
  }
  /** Low 32 bits of the amount. */
  amountLow(i: number): number {
    const at = this.recordsAt + i * this.stride + this.plan.amountAt;
    return this.amountBytes === 3 ? this.view.getUint32(at - 1, true) >>> 8 : this.view.getUint32(at, true);
  }
  /** The amount above its low 32 bits; 0 unless the entity's amounts are wide. */
  amountHigh(i: number): number {
    if (this.amountBytes !== 7) return 0;
    return this.view.getUint32(this.recordsAt + i * this.stride + this.plan.amountAt + 3, true) >>> 8;
  }
  amountOf(i: number): number {
    return this.amountHigh(i) * two32 + this.amountLow(i);
  }

  writeAmount(i: number, amountMinor: number): void {
    const at = this.recordsAt + i * this.stride + this.plan.amountAt;
    const high = Math.floor(amountMinor / two32);
    writeAmount(this.view, at, this.amountBytes, amountMinor - high * two32, high);
  }

  /** Index of the first record later than `timeMs`: where an event of that time, arriving now, belongs. */
  upperBound(timeMs: number): number {
    let high = this.count;
    if (high === 0 || this.timeAt(high - 1) <= timeMs) return high;
    let low = 0;
    high--;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.timeAt(middle) <= timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The record of this event (same time, same id hash), searched in the run of equal times before `bound`; −1 if none. */
  find(timeMs: number, id: number, bound: number): number {
    for (let i = bound - 1; i >= 0 && this.timeAt(i) === timeMs; i--) if (this.idAt(i) === id) return i;
    return -1;
  }
}
