/**
 * Readers of JSON tokens in the scratch buffer. Each recognises one kind of token where it stands and answers -1 for
 * anything else, valid or not: the thorough path then decides.
 */
import { scratch } from './scratch.ts';

const bytes = scratch;
const quote = 34;

/** 1 for the bytes that stand for themselves inside a JSON string: printable ASCII except `"` and `\`. */
const plain = new Uint8Array(256).map((_, byte) => (byte >= 32 && byte < 127 && byte !== quote && byte !== 92 ? 1 : 0));

/** Index of the first byte from `i` on that is not JSON white space. */
export function skipBlanks(i: number): number {
  let byte = bytes[i] as number;
  while (byte === 32 || byte === 10 || byte === 13 || byte === 9) byte = bytes[++i] as number;
  return i;
}

/** Index of the quote that ends the string whose first character is at `i`, or -1 when it is not plain ASCII. */
export function stringEnd(i: number): number {
  while (plain[bytes[i] as number] === 1) i++;
  return bytes[i] === quote ? i : -1;
}

/** Whether the bytes at `i` are `expected`. */
export function matches(i: number, expected: Uint8Array): boolean {
  for (let k = 0; k < expected.length; k++) if (bytes[i + k] !== expected[k]) return false;
  return true;
}

/** Integers up to this many digits are exact, and too short to be a card number. */
const numberDigitsMax = 12;
const powersOfTen = Array.from({ length: numberDigitsMax + 1 }, (_, i) => 10 ** i);

/** Index behind the plain decimal number (no exponent, few digits) at `i`, or -1. */
export function numberEnd(i: number): number {
  if (bytes[i] === 45) i++;
  const first = i;
  while (isDigitAt(i)) i++;
  if (i === first || (i > first + 1 && bytes[first] === 48)) return -1;
  let digits = i - first;
  if (bytes[i] === 46) {
    const point = i++;
    while (isDigitAt(i)) i++;
    if (i === point + 1) return -1;
    digits = i - first - 1;
  }
  return digits <= numberDigitsMax ? i : -1;
}

function isDigitAt(i: number): boolean {
  const byte = bytes[i] as number;
  return byte >= 48 && byte <= 57;
}

/**
 * The number that `numberEnd` recognised. Integer and power of ten are both exact, so that their quotient is the
 * correctly rounded decimal, as JSON.parse gives it (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
 */
export function numberIn(start: number, end: number): number {
  let value = 0;
  let decimals = 0;
  let afterPoint = 0;
  const negative = bytes[start] === 45;
  for (let i = negative ? start + 1 : start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === 46) afterPoint = 1;
    else {
      value = value * 10 + byte - 48;
      decimals += afterPoint;
    }
  }
  const scaled = decimals === 0 ? value : value / (powersOfTen[decimals] as number);
  return negative ? -scaled : scaled;
}
