/** Payments from bytes: the edge at which everything about a payment is checked, once. */
import { decodeFast } from './decodeFast.ts';
import { decodeThorough } from './decodeThorough.ts';
import type { Payment } from './payment.ts';
import type { Refusal } from './refusal.ts';

export interface PaymentDecoder {
  /**
   * The payment in `bytes` (one JSON document), or why it is refused; tell them apart with `instanceof Payment`.
   * Never throws, whatever the bytes.
   * @param nowMs our clock, milliseconds since the Unix epoch: a payment may be at most five minutes ahead of it.
   *   Infinity for payments that were accepted before.
   */
  decode(bytes: Uint8Array, nowMs: number): Payment | Refusal;
}

export function createPaymentDecoder(): PaymentDecoder {
  return {
    decode: (bytes, nowMs) => decodeFast(bytes, nowMs) ?? decodeThorough(bytes, nowMs),
  };
}
