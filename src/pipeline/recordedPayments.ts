/** The payments of recorded decisions, as they were received. */
import { createPaymentDecoder } from '../domain/decode.ts';
import { Payment } from '../domain/payment.ts';
import { samePayment } from '../domain/samePayment.ts';
import type { DecisionRecord } from './ports.ts';

export class RecordedPayments {
  readonly #decoder = createPaymentDecoder();

  /** Undefined for bytes that are no payment any more. */
  of({ payment }: Pick<DecisionRecord, 'payment'>): Payment | undefined {
    const decoded = this.#decoder.decode(payment, Number.POSITIVE_INFINITY);
    return decoded instanceof Payment ? decoded : undefined;
  }

  /** Whether it is the decision of this very payment, not of another content under its id. */
  isOf(record: DecisionRecord, payment: Payment): boolean {
    const recorded = this.of(record);
    return recorded !== undefined && samePayment(recorded, payment);
  }
}
