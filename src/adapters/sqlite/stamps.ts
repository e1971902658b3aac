/**
 * The order in which velocity saw things, and what of it is not yet known to be durable.
 *
 * Every append to the velocity state gets the next stamp; a journal row carries the stamp of its payment. An entity copied
 * out after stamp s holds exactly the payments it touches with stamps ≤ s, whatever order the rows reach the journal in:
 * so a row is replayed onto a stored entity if and only if the row's stamp is larger.
 *
 * A stamp is open from the append until each of its payments is recorded or taken out again. A copy may be stored once no
 * stamp up to its own is open: then it holds nothing that the journal does not.
 */
import type { Checkpoint } from './checkpoint.ts';

/** Journal rows between two notes of where the journal stood when a stamp was given. */
const sampleEveryRows = 256;

interface Sample {
  readonly stamp: number;
  readonly seq: number;
}

export class StampLedger {
  #last: number;
  /** Open stamps in their order, with what is still open of each. */
  readonly #open = new Map<number, number>();
  readonly #payments = new Map<string, Map<string, number>>();
  #samples: Sample[];
  /** The newest seq known to be durable. */
  #seq: number;

  /** @param checkpoint the stored one. @param newestStamp the largest of the journal's rows. */
  constructor(checkpoint: Checkpoint, newestStamp: number, lastSeq: number) {
    this.#last = Math.max(checkpoint.lastStamp, newestStamp);
    this.#seq = lastSeq;
    this.#samples = [
      { stamp: checkpoint.stamp + 1, seq: checkpoint.replayFromSeq - 1 },
      { stamp: this.#last + 1, seq: lastSeq },
    ];
  }

  /** The newest stamp given. */
  get last(): number {
    return this.#last;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Every stamp up to this one is settled. */
  get watermark(): number {
    const oldest = this.#open.keys().next();
    return oldest.done === true ? this.#last : oldest.value - 1;
  }

  /** A stamp with `count` things to settle. */
  open(count: number): number {
    const stamp = ++this.#last;
    const sampled = this.#samples.at(-1) as Sample;
    if (this.#seq - sampled.seq >= sampleEveryRows) this.#samples.push({ stamp, seq: this.#seq });
    if (count > 0) this.#open.set(stamp, count);
    return stamp;
  }

  settleOne(stamp: number): void {
    const left = this.#open.get(stamp);
    if (left === undefined) return;
    if (left <= 1) this.#open.delete(stamp);
    else this.#open.set(stamp, left - 1);
  }

  /** A stamp for payments that are about to be appended. One that is open already keeps its first stamp. */
  openPayments(tenantId: string, payments: readonly { readonly paymentId: string }[]): number {
    let ids = this.#payments.get(tenantId);
    if (ids === undefined) {
      ids = new Map();
      this.#payments.set(tenantId, ids);
    }
    const stamp = this.#last + 1;
    let count = 0;
    for (const { paymentId } of payments) {
      if (ids.has(paymentId)) continue;
      ids.set(paymentId, stamp);
      count++;
    }
    return this.open(count);
  }

  /** The stamp of an open payment; of one that velocity did not see, the newest. */
  stampOf(tenantId: string, paymentId: string): number {
    return this.#payments.get(tenantId)?.get(paymentId) ?? this.#last;
  }

  /** The payment is in the journal or out of the velocity state again. @returns its stamp while it was open. */
  settlePayment(tenantId: string, paymentId: string): number | undefined {
    const ids = this.#payments.get(tenantId);
    const stamp = ids?.get(paymentId);
    if (ids === undefined || stamp === undefined) return undefined;
    ids.delete(paymentId);
    if (ids.size === 0) this.#payments.delete(tenantId);
    this.settleOne(stamp);
    return stamp;
  }

  /** The journal is durable through `seq`. */
  durable(seq: number): void {
    if (seq > this.#seq) this.#seq = seq;
  }

  get lastSeq(): number {
    return this.#seq;
  }

  /** A seq before which every row has a stamp ≤ `stamp`; `stamp` is not below one that was told to `forget`. */
  replayFrom(stamp: number): number {
    if (stamp >= this.#last) return this.#seq + 1;
    return (this.#samples[this.#sampleFor(stamp)] as Sample).seq + 1;
  }

  /** Nobody will ask for `replayFrom` of a smaller stamp again. */
  forget(stamp: number): void {
    this.#samples = this.#samples.slice(this.#sampleFor(stamp));
  }

  /** Everything is to be replayed again: the stored entities are gone. */
  rewind(): void {
    this.#samples.unshift({ stamp: 0, seq: 0 });
  }

  #sampleFor(stamp: number): number {
    let i = this.#samples.length - 1;
    while (i > 0 && (this.#samples[i] as Sample).stamp > stamp + 1) i--;
    return i;
  }
}
