/**
 * Splits a JSON array into the bytes of its items, so that each item reaches the decoder as it was sent. The whole text
 * is checked against the JSON grammar on the way: of a text that is not JSON, nothing is used.
 */
import { isUtf8 } from 'node:buffer';
import { jsonDepthMax } from '../domain/bounds.ts';

export type SplitResult =
  | { readonly kind: 'items'; readonly items: readonly Uint8Array[] }
  | { readonly kind: 'invalid_utf8' | 'malformed' | 'not_an_array' | 'too_many' | 'too_deep' };

const quote = 34;
const comma = 44;
const colon = 58;
const openBracket = 91;
const backslash = 92;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;

export function splitArray(bytes: Uint8Array, itemsMax: number): SplitResult {
  if (!isUtf8(bytes)) return { kind: 'invalid_utf8' };
  const scanner = new Scanner(bytes);
  let i = scanner.blanks(0);
  if (bytes[i] !== openBracket) {
    const end = scanner.value(i, 0);
    if (end >= 0 && scanner.blanks(end) === bytes.length) return { kind: 'not_an_array' };
    return { kind: scanner.tooDeep ? 'too_deep' : 'malformed' };
  }
  const items: Uint8Array[] = [];
  let tooMany = false;
  i = scanner.blanks(i + 1);
  if (bytes[i] !== closeBracket) {
    for (;;) {
      const end = scanner.value(i, 1);
      if (end < 0) return { kind: scanner.tooDeep ? 'too_deep' : 'malformed' };
      if (items.length === itemsMax) tooMany = true;
      else items.push(bytes.subarray(i, end));
      i = scanner.blanks(end);
      if (bytes[i] === closeBracket) break;
      if (bytes[i] !== comma) return { kind: 'malformed' };
      i = scanner.blanks(i + 1);
    }
  }
  if (scanner.blanks(i + 1) !== bytes.length) return { kind: 'malformed' };
  return tooMany ? { kind: 'too_many' } : { kind: 'items', items };
}

/** Each method reads one token at `i` and answers the index behind it, or -1. Reading past the end gives 0. */
class Scanner {
  readonly #bytes: Uint8Array;
  tooDeep = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  #at(i: number): number {
    return i < this.#bytes.length ? (this.#bytes[i] as number) : 0;
  }

  blanks(i: number): number {
    for (;;) {
      const byte = this.#at(i);
      if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return i;
      i++;
    }
  }

  value(i: number, depth: number): number {
    if (depth > jsonDepthMax) {
      this.tooDeep = true;
      return -1;
    }
    switch (this.#at(i)) {
      case quote:
        return this.#string(i + 1);
      case openBrace:
        return this.#object(i, depth);
      case openBracket:
        return this.#array(i, depth);
      case 116:
        return this.#word(i, 'true');
      case 102:
        return this.#word(i, 'false');
      case 110:
        return this.#word(i, 'null');
      default:
        return this.#number(i);
    }
  }

  #object(start: number, depth: number): number {
    let i = this.blanks(start + 1);
    if (this.#at(i) === closeBrace) return i + 1;
    for (;;) {
      if (this.#at(i) !== quote) return -1;
      i = this.#string(i + 1);
      if (i < 0) return -1;
      i = this.blanks(i);
      if (this.#at(i) !== colon) return -1;
      i = this.value(this.blanks(i + 1), depth + 1);
      if (i < 0) return -1;
      i = this.blanks(i);
      if (this.#at(i) === closeBrace) return i + 1;
      if (this.#at(i) !== comma) return -1;
      i = this.blanks(i + 1);
    }
  }

  #array(start: number, depth: number): number {
    let i = this.blanks(start + 1);
    if (this.#at(i) === closeBracket) return i + 1;
    for (;;) {
      i = this.value(i, depth + 1);
      if (i < 0) return -1;
      i = this.blanks(i);
      if (this.#at(i) === closeBracket) return i + 1;
      if (this.#at(i) !== comma) return -1;
      i = this.blanks(i + 1);
    }
  }

  #string(i: number): number {
    for (;;) {
      const byte = this.#at(i++);
      if (byte === quote) return i;
      if (byte < 32) return -1;
      if (byte !== backslash) continue;
      const escaped = this.#at(i++);
      if (escaped === 117) {
        for (const end = i + 4; i < end; i++) if (!isHexDigit(this.#at(i))) return -1;
      } else if (!'"\\/bfnrt'.includes(String.fromCharCode(escaped))) return -1;
    }
  }

  #word(i: number, word: string): number {
    for (let k = 0; k < word.length; k++) if (this.#at(i + k) !== word.charCodeAt(k)) return -1;
    return i + word.length;
  }

  #number(start: number): number {
    let i = this.#at(start) === 45 ? start + 1 : start;
    const first = i;
    i = this.#digits(i);
    if (i === first || (this.#at(first) === 48 && i > first + 1)) return -1;
    if (this.#at(i) === 46) {
      const end = this.#digits(i + 1);
      if (end === i + 1) return -1;
      i = end;
    }
    if (this.#at(i) !== 101 && this.#at(i) !== 69) return i;
    const sign = this.#at(++i);
    if (sign === 43 || sign === 45) i++;
    const end = this.#digits(i);
    return end === i ? -1 : end;
  }

  #digits(i: number): number {
    while (this.#at(i) >= 48 && this.#at(i) <= 57) i++;
    return i;
  }
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 32;
  return (byte >= 48 && byte <= 57) || (lower >= 97 && lower <= 102);
}
