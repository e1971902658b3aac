/** What the readers of a file's payments hand on, and how they gather it. */
import type { Payment } from '../../domain/payment.ts';

export interface LabelledPayments {
  readonly payments: readonly Payment[];
  /** As many as payments: 1 is fraud, 0 is not, 2 where the file does not say. */
  readonly frauds: Uint8Array;
}

/** What a file says of a payment. */
export const labels = { genuine: 0, fraud: 1, unknown: 2 } as const;

export interface PaymentReader {
  /** How often the file is read from end to end. */
  readonly passes: number;
  bytesRead(): number;
  payments(): AsyncGenerator<LabelledPayments, void, undefined>;
}

/** Counts what is refused; codes are few. */
export class Refusals {
  readonly byCode = new Map<string, number>();
  count = 0;

  add(code: string): void {
    this.byCode.set(code, (this.byCode.get(code) ?? 0) + 1);
    this.count += 1;
  }
}

/** Payments and their labels, gathered until they are handed on. */
export class Gathered {
  #payments: Payment[] = [];
  #frauds = new Uint8Array(1024);

  get count(): number {
    return this.#payments.length;
  }

  push(payment: Payment, label: number): void {
    if (this.#payments.length === this.#frauds.length) {
      const larger = new Uint8Array(2 * this.#frauds.length);
      larger.set(this.#frauds);
      this.#frauds = larger;
    }
    this.#frauds[this.#payments.length] = label;
    this.#payments.push(payment);
  }

  take(): LabelledPayments {
    const taken = { payments: this.#payments, frauds: this.#frauds.subarray(0, this.#payments.length) };
    this.#payments = [];
    this.#frauds = new Uint8Array(this.#frauds.length);
    return taken;
  }
}
