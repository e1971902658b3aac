/** The velocity state in memory, kept by the journal: exactly what is recorded survives, once. */
import type { Payment } from '../../domain/payment.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import type { VelocityStore } from '../../pipeline/ports.ts';
import type { Flusher } from './flusher.ts';
import type { VelocityMemory } from '../../features/types.ts';
import type { StampLedger } from './stamps.ts';

/** Batches of labels that wait for their outcome; the pipeline records them one after another. */
const labelBatchesMax = 64;

interface LabelBatch {
  /** Stamps of the marks of each payment, in order. */
  readonly stamps: Map<string, number[]>;
  failed: boolean;
}

/** Labels are marked in memory first and recorded after; a failure is marked back under the same batch number. */
export class LabelStamps {
  readonly #ledger: StampLedger;
  readonly #batches = new Map<number, LabelBatch>();

  constructor(ledger: StampLedger) {
    this.#ledger = ledger;
  }

  /** A stamp for a mark. @returns undefined when the batch has failed and this mark takes one back. */
  mark(tenantId: string, paymentId: string, batch: number): number | undefined {
    const known = this.#batches.get(batch) ?? this.#start(batch);
    if (known.failed) {
      this.#settle(known, tenantId, paymentId);
      return undefined;
    }
    const stamp = this.#ledger.open(1);
    const key = keyOf(tenantId, paymentId);
    const stamps = known.stamps.get(key);
    if (stamps === undefined) known.stamps.set(key, [stamp]);
    else stamps.push(stamp);
    return stamp;
  }

  /** The stamp of the payment's last mark; of one that was not marked, the newest. */
  stampOf(tenantId: string, paymentId: string, batch: number): number {
    return this.#batches.get(batch)?.stamps.get(keyOf(tenantId, paymentId))?.at(-1) ?? this.#ledger.last;
  }

  recorded(batch: number): void {
    const known = this.#batches.get(batch);
    this.#batches.delete(batch);
    for (const stamps of known?.stamps.values() ?? []) for (const stamp of stamps) this.#ledger.settleOne(stamp);
  }

  failed(batch: number): void {
    const known = this.#batches.get(batch);
    if (known !== undefined) known.failed = true;
  }

  #settle({ stamps }: LabelBatch, tenantId: string, paymentId: string): void {
    const key = keyOf(tenantId, paymentId);
    for (const stamp of stamps.get(key) ?? []) this.#ledger.settleOne(stamp);
    stamps.delete(key);
  }

  #start(batch: number): LabelBatch {
    // A batch that was marked and never recorded must not hold back every checkpoint for ever.
    const oldest = this.#batches.keys().next();
    if (this.#batches.size >= labelBatchesMax && oldest.done !== true) this.recorded(oldest.value);
    const made: LabelBatch = { stamps: new Map(), failed: false };
    this.#batches.set(batch, made);
    return made;
  }
}

const keyOf = (tenantId: string, paymentId: string): string => `${tenantId}\u0000${paymentId}`;

/** @param memory holds what the journal holds. `batch` numbers only join a call with its `recordLabels`. */
export function createEmbeddedVelocity(
  memory: VelocityMemory,
  ledger: StampLedger,
  labels: LabelStamps,
  flusher: Flusher,
): VelocityStore {
  return {
    inProcess: true,
    async appendAndRead(tenantId: string, payments: readonly Payment[], out: FeatureMatrix) {
      const room = flusher.room();
      if (room !== undefined) await room;
      const stamp = ledger.openPayments(tenantId, payments);
      memory.appendAndRead(tenantId, payments, out, stamp);
      return [];
    },
    retract(tenantId, payment) {
      memory.retract(tenantId, payment);
      // Copies made meanwhile hold it; where the entity did not change, its copy never did.
      flusher.copies.discard(memory.dirtyKeysOf(tenantId, payment));
      ledger.settlePayment(tenantId, payment.paymentId);
    },
    async markLabel(tenantId, payment, fraud, batch) {
      const stamp = labels.mark(tenantId, payment.paymentId, batch);
      memory.markLabel(tenantId, { payment, fraud }, stamp ?? ledger.open(0));
      if (stamp === undefined) flusher.copies.discard(memory.dirtyKeysOf(tenantId, payment));
    },
  };
}
