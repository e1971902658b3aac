/**
 * Texts that are read from a file are slices of pieces of it: kept by itself, a slice keeps its whole piece, 256 KiB. What outlives its
 * piece is copied. Two-byte units bring back every text as it was, lone surrogates too.
 */
import { Payment } from '../../domain/payment.ts';

/** Up to this length the engine copies a slice anyway. */
const copiedCharactersMax = 12;

export function detached(text: string): string {
  return text.length <= copiedCharactersMax ? text : Buffer.from(text, 'utf16le').toString('utf16le');
}

export function detachedPayment(payment: Payment): Payment {
  const texts = Object.entries(payment).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' ? [[name, detached(value)]] : [],
  );
  return Object.assign(new Payment(), payment, Object.fromEntries(texts));
}
