/** What this process has claimed of late, for the time when the decision cache is away. */
import { decodeRecord, encodeRecordBytes } from './codec.ts';
import type { DecisionRecord } from './ports.ts';

interface Recent {
  readonly bytes: Uint8Array;
  /** The cache does not have it, or may not. */
  unclaimed: boolean;
}

export class RecentClaims {
  readonly #max: number;
  readonly #recent = new Map<string, Recent>();
  #unclaimed = 0;
  #dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Claims that the cache is still to get, and those it will never get. */
  get unclaimed(): number {
    return this.#unclaimed;
  }
  get dropped(): number {
    return this.#dropped;
  }

  find(tenantId: string, paymentId: string): DecisionRecord | undefined {
    const recent = this.#recent.get(keyOf(tenantId, paymentId));
    return recent === undefined ? undefined : decodeRecord(recent.bytes);
  }

  /** Keeps a copy as the decision of its payment id. @param unclaimed the cache must hear of it later */
  add(record: DecisionRecord, unclaimed: boolean): void {
    const key = keyOf(record.tenantId, record.paymentId);
    this.#forget(key);
    this.#recent.set(key, { bytes: encodeRecordBytes(record), unclaimed });
    if (unclaimed) this.#unclaimed++;
    if (this.#recent.size <= this.#max) return;
    const oldest = this.#recent.keys().next();
    if (oldest.done === true) return;
    if (this.#recent.get(oldest.value)?.unclaimed === true) this.#dropped++;
    this.#forget(oldest.value);
  }

  /** The oldest that the cache must hear of. */
  nextUnclaimed(max: number): DecisionRecord[] {
    const next: DecisionRecord[] = [];
    for (const { bytes, unclaimed } of this.#recent.values()) {
      if (unclaimed) next.push(decodeRecord(bytes));
      if (next.length === max) break;
    }
    return next;
  }

  /** The cache has them now. */
  claimed(records: readonly DecisionRecord[]): void {
    for (const { tenantId, paymentId } of records) {
      const recent = this.#recent.get(keyOf(tenantId, paymentId));
      if (recent?.unclaimed !== true) continue;
      recent.unclaimed = false;
      this.#unclaimed--;
    }
  }

  #forget(key: string): void {
    if (this.#recent.get(key)?.unclaimed === true) this.#unclaimed--;
    this.#recent.delete(key);
  }
}

function keyOf(tenantId: string, paymentId: string): string {
  return `${tenantId}\u0000${paymentId}`;
}
