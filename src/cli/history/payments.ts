/** A file of labelled payments as decoded payments, some hundreds at a time. */
import { createPaymentDecoder } from '../../domain/decode.ts';
import { Payment } from '../../domain/payment.ts';
import type { Mapping } from '../replay/mapping.ts';
import { openSource } from '../replay/source.ts';

export interface LabelledPayments {
  readonly payments: readonly Payment[];
  /** 1 is fraud; as many as payments. */
  readonly frauds: Uint8Array;
}

export interface PaymentSource {
  readonly bytesTotal: number;
  /** Bytes of the file read so far, compressed as they are. */
  bytesRead(): number;
  /** Rows that are no payments, by the code of what is wrong, so far. */
  readonly refused: ReadonlyMap<string, number>;
  readonly refusedCount: number;
  /** To be read once. */
  payments(): AsyncGenerator<LabelledPayments, void, undefined>;
}

const rowsPerYield = 1024;

/** @throws CommandError (exit code 2) where there is no such file or its name says no known format */
export function openPayments(path: string, mapping: Mapping | undefined): PaymentSource {
  const source = openSource(path, mapping);
  const refused = new Map<string, number>();
  let refusedCount = 0;
  const refuse = (code: string): void => {
    refused.set(code, (refused.get(code) ?? 0) + 1);
    refusedCount += 1;
  };
  async function* payments(): AsyncGenerator<LabelledPayments, void, undefined> {
    const decoder = createPaymentDecoder();
    let some: Payment[] = [];
    let frauds = new Uint8Array(rowsPerYield);
    for await (const item of source.items()) {
      if (item.kind === 'bad') refuse(item.code);
      if (item.kind !== 'payment') continue;
      const payment = decoder.decode(Buffer.from(item.json), Number.POSITIVE_INFINITY);
      if (!(payment instanceof Payment)) {
        refuse(payment.code);
        continue;
      }
      frauds[some.length] = item.fraud === true ? 1 : 0;
      some.push(payment);
      if (some.length < rowsPerYield) continue;
      yield { payments: some, frauds };
      some = [];
      frauds = new Uint8Array(rowsPerYield);
    }
    if (some.length > 0) yield { payments: some, frauds };
  }
  return {
    bytesTotal: source.bytesTotal,
    bytesRead: () => source.bytesRead(),
    refused,
    get refusedCount() {
      return refusedCount;
    },
    payments,
  };
}
