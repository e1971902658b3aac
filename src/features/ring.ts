import { recordFlagsAt, recordTimeAt } from './plan.ts';
import { headerBytes, StateCell } from './state.ts';

/** Makes a hole for record i; the caller has checked that there is room for one more stride, and fills it. */
export function openRecord(cell: StateCell, i: number): void {
  const { stride } = cell;
  const at = cell.recordsAt + i * stride;
  if (i < cell.count) cell.bytes.copyWithin(at + stride, at, cell.recordsAt + cell.count * stride);
  cell.count++;
  cell.writeCount();
}

export function removeRecord(cell: StateCell, i: number): void {
  const { stride } = cell;
  const at = cell.recordsAt + i * stride;
  cell.bytes.copyWithin(at, at + stride, cell.recordsAt + cell.count * stride);
  cell.count--;
  cell.writeShape();
}

/** Takes the oldest n records away; whoever calls has folded them or knows that no window needs them. */
export function dropOldest(cell: StateCell, n: number): void {
  const { stride } = cell;
  cell.bytes.copyWithin(cell.recordsAt, cell.recordsAt + n * stride, cell.recordsAt + cell.count * stride);
  cell.count -= n;
  cell.writeShape();
}

/** Sets or clears flag bits of record i; answers whether anything changed. */
export function setFlag(cell: StateCell, i: number, bit: number, on: boolean): boolean {
  const at = cell.recordsAt + i * cell.stride + recordFlagsAt;
  const flags = cell.view.getUint8(at);
  const wanted = on ? flags | bit : flags & ~bit;
  if (wanted === flags) return false;
  cell.view.setUint8(at, wanted);
  return true;
}

/** Copies bytes that do not overlap; within one buffer without making a view of them. */
export function copyBytes(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  if (from === to) to.copyWithin(toAt, fromAt, fromAt + length);
  else to.set(from.subarray(fromAt, fromAt + length), toAt);
}

const target = new StateCell();

/** Copies a state to another place (not overlapping), its amounts as wide as told. */
export function copyState(from: StateCell, view: DataView, bytes: Uint8Array, base: number, amountBytes: number): void {
  if (amountBytes === from.amountBytes) {
    copyBytes(from.bytes, from.base, bytes, base, from.stateBytes());
    return;
  }
  copyBytes(from.bytes, from.base, bytes, base, from.recordsAt - from.base);
  target.open(from.plan, view, bytes, base);
  target.setShape(amountBytes, from.bucketCount, from.dropped);
  target.writeShape();
  const kept = from.plan.amountAt;
  for (let i = 0; i < from.count; i++) {
    const at = from.recordsAt + i * from.stride + recordTimeAt;
    copyBytes(from.bytes, at, bytes, target.recordsAt + i * target.stride, kept);
    target.writeAmount(i, from.amountOf(i));
  }
}

/** Bytes of a state with so many buckets and records. */
export function stateBytesOf(bucketBytes: number, buckets: number, records: number, stride: number): number {
  return headerBytes + buckets * bucketBytes + records * stride;
}
