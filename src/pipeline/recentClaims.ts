/** What this process has claimed of late, for the time when the decision cache is away. */
import { decodeRecord, encodeRecordBytes, paymentKey, recordKey } from './codec.ts';
import type { Claim, DecisionRecord } from './ports.ts';

interface Recent {
  readonly bytes: Uint8Array;
  /** The cache does not have it, or may not. */
  unclaimed: boolean;
  published: boolean;
}

export class RecentClaims {
  readonly #max: number;
  readonly #recent = new Map<string, Recent>();
  /** The oldest come first. Kept: a new iterator would have to get past everything that was deleted lately. */
  #oldest: MapIterator<string> = this.#recent.keys();
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

  find(tenantId: string, paymentId: string): Claim | undefined {
    const recent = this.#recent.get(paymentKey(tenantId, paymentId));
    return recent === undefined ? undefined : { record: decodeRecord(recent.bytes), published: recent.published };
  }

  /** Keeps a copy as the decision of its payment id. @param unclaimed the cache must hear of it later */
  add(record: DecisionRecord, unclaimed: boolean): void {
    const key = recordKey(record);
    this.#forget(key);
    this.#recent.set(key, { bytes: encodeRecordBytes(record), unclaimed, published: false });
    if (unclaimed) this.#unclaimed++;
    if (this.#recent.size <= this.#max) return;
    const oldest = this.#nextOldest();
    if (oldest === undefined) return;
    if (this.#recent.get(oldest)?.unclaimed === true) this.#dropped++;
    this.#forget(oldest);
  }

  /** Another's decision stands for its payment id. */
  replace({ record, published }: Claim): void {
    this.add(record, false);
    if (published) this.published([record]);
  }

  /** This very decision is, not another of its payment id. */
  isPublished(record: DecisionRecord): boolean {
    const recent = this.#recent.get(recordKey(record));
    return recent?.published === true && isDecision(recent, record);
  }

  /** Decided without the cache, which has not heard of it yet. */
  isUnclaimed(record: DecisionRecord): boolean {
    return this.#recent.get(recordKey(record))?.unclaimed === true;
  }

  /** They are durable in the decisions topic. */
  published(records: readonly DecisionRecord[]): void {
    for (const record of records) {
      const recent = this.#recent.get(recordKey(record));
      if (recent !== undefined && isDecision(recent, record)) recent.published = true;
    }
  }

  /** The oldest that the cache must hear of. */
  nextUnclaimed(max: number): Claim[] {
    const next: Claim[] = [];
    for (const { bytes, unclaimed, published } of this.#recent.values()) {
      if (unclaimed) next.push({ record: decodeRecord(bytes), published });
      if (next.length === max) break;
    }
    return next;
  }

  /** The cache has it now. @returns whether that is news */
  claimed(record: DecisionRecord): boolean {
    const recent = this.#recent.get(recordKey(record));
    if (recent?.unclaimed !== true) return false;
    recent.unclaimed = false;
    this.#unclaimed--;
    return true;
  }

  #nextOldest(): string | undefined {
    let next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#recent.keys();
      next = this.#oldest.next();
    }
    return next.value;
  }

  #forget(key: string): void {
    if (this.#recent.get(key)?.unclaimed === true) this.#unclaimed--;
    this.#recent.delete(key);
  }
}

function isDecision({ bytes }: Recent, record: DecisionRecord): boolean {
  // Nearly always it is the very record that was put in.
  return encodeRecordBytes(record) === bytes || Buffer.compare(decodeRecord(bytes).decision, record.decision) === 0;
}
