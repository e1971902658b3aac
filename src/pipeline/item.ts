/** One payment on its way through the pipeline, and the table of those that are on their way. */
import type { Payment } from '../domain/payment.ts';
import type { DecideResult } from './service.ts';

export class Item {
  readonly tenantId: string;
  readonly payment: Payment;
  readonly body: Uint8Array;
  /** Monotonic clock, milliseconds. */
  readonly receivedAtMs: number;
  readonly deadlineMs: number;
  /** Resolves when the payment is answered; never rejects. */
  readonly result: Promise<DecideResult>;
  readonly #resolve: (result: DecideResult) => void;
  outcome: DecideResult | undefined = undefined;
  /** Its row in the micro-batch. */
  row = 0;
  get settled(): boolean {
    return this.outcome !== undefined;
  }

  /** Set once its decision is on its way to the disk: from then on only the outcome of that write may answer. */
  recording = false;

  constructor(tenantId: string, payment: Payment, body: Uint8Array, receivedAtMs: number, deadlineMs: number) {
    this.tenantId = tenantId;
    this.payment = payment;
    this.body = body;
    this.receivedAtMs = receivedAtMs;
    this.deadlineMs = deadlineMs;
    const { promise, resolve } = Promise.withResolvers<DecideResult>();
    this.result = promise;
    this.#resolve = resolve;
  }

  settle(result: DecideResult): void {
    if (this.outcome !== undefined) return;
    this.outcome = result;
    this.#resolve(result);
  }
}

/** Payments between intake and answer, by tenant and payment id: a second sender of the same payment waits for the first. */
export class InFlight {
  readonly #items = new Map<string, Item>();

  static key(tenantId: string, paymentId: string): string {
    return `${tenantId}\u0000${paymentId}`;
  }

  get size(): number {
    return this.#items.size;
  }

  find(tenantId: string, paymentId: string): Item | undefined {
    return this.#items.get(InFlight.key(tenantId, paymentId));
  }

  add(item: Item): void {
    this.#items.set(InFlight.key(item.tenantId, item.payment.paymentId), item);
  }

  remove(item: Item): void {
    const key = InFlight.key(item.tenantId, item.payment.paymentId);
    if (this.#items.get(key) === item) this.#items.delete(key);
  }

  /** Everything that is in flight now; used to stop cleanly. */
  pending(): readonly Item[] {
    return [...this.#items.values()];
  }
}
