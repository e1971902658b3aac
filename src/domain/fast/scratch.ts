import { paymentBytesMax } from '../bounds.ts';
import { latin1Text } from '../latin1.ts';

/**
 * Where the fast path reads a payment: its bytes are copied here (20 ns), followed by a zero. One buffer at one address
 * lets the compiler fold base and length into every access, which makes the scan about twice as fast as over the
 * caller's buffers; and the zero ends every loop, so no read needs a test for the end. Decoding is synchronous, and
 * every thread has a module of its own, so nobody else writes here meanwhile.
 *
 * Each module that reads it must bind it to a constant of its own: only those are folded.
 */
export const scratch: Buffer = Buffer.alloc(paymentBytesMax + 64);

/** Puts the bytes into the scratch buffer. At most `paymentBytesMax` of them. */
export function fillScratch(bytes: Uint8Array): void {
  scratch.set(bytes);
  scratch[bytes.length] = 0;
}

/** The first `length` bytes as a string, one character a byte. */
export function scratchText(length: number): string {
  return latin1Text(scratch, length);
}
