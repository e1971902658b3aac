/**
 * Splits a JSON array into the bytes of its items, so that each item reaches the decoder as it was sent. The whole text
 * is checked against the JSON grammar on the way: of a text that is not JSON, nothing is used. It can be done in steps,
 * since a batch may have megabytes and other requests are waiting.
 */
import { isUtf8 } from 'node:buffer';
import { numberEnd, stringEnd, wordEnd } from './jsonTokens.ts';

export type SplitResult =
  | { readonly kind: 'items'; readonly items: readonly Uint8Array[] }
  | { readonly kind: 'invalid_utf8' | 'malformed' | 'not_an_array' | 'too_many' };

const quote = 34;
const comma = 44;
const colon = 58;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;

/** What may come next. */
type Expected = 'value' | 'valueOrClose' | 'key' | 'keyOrClose' | 'commaOrClose';

const malformed: SplitResult = { kind: 'malformed' };

export class ArraySplitter {
  readonly #bytes: Uint8Array;
  readonly #itemsMax: number;
  readonly #items: Uint8Array[] = [];
  #tooMany = false;
  #at = 0;
  #expected: Expected = 'value';
  #itemStart = 0;
  /** The bracket or brace that each level was opened with; grows with what comes, never beyond its bytes. */
  #levels = new Uint8Array(64);
  #depth = 0;
  #checkedUtf8 = false;

  constructor(bytes: Uint8Array, itemsMax: number) {
    this.#bytes = bytes;
    this.#itemsMax = itemsMax;
  }

  /** Reads about `bytesMax` bytes further (to the end of a token). The result, once the whole text was read. */
  advance(bytesMax: number): SplitResult | undefined {
    if (!this.#checkedUtf8) {
      if (!isUtf8(this.#bytes)) return { kind: 'invalid_utf8' };
      this.#checkedUtf8 = true;
    }
    const pauseAt = this.#at + bytesMax;
    do {
      this.#skipBlanks();
      if (this.#depth === 0 && this.#expected === 'commaOrClose') return this.#finish();
      if (!this.#readToken()) return malformed;
    } while (this.#at < pauseAt);
    return undefined;
  }

  /** Of what comes after the outermost value: nothing may. */
  #finish(): SplitResult {
    if (this.#at !== this.#bytes.length) return malformed;
    if (this.#levels[0] !== openBracket) return { kind: 'not_an_array' };
    return this.#tooMany ? { kind: 'too_many' } : { kind: 'items', items: this.#items };
  }

  #skipBlanks(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return;
      this.#at++;
    }
  }

  /** Reads one token, at which `#at` is; false where it is not what may come. */
  #readToken(): boolean {
    const byte = this.#bytes[this.#at];
    switch (this.#expected) {
      case 'commaOrClose':
        if (byte !== comma) return this.#close(byte);
        this.#expected = this.#levels[this.#depth - 1] === openBrace ? 'key' : 'value';
        this.#at++;
        return true;
      case 'keyOrClose':
        return byte === closeBrace ? this.#close(byte) : this.#readKey(byte);
      case 'key':
        return this.#readKey(byte);
      case 'valueOrClose':
        return byte === closeBracket ? this.#close(byte) : this.#readValue(byte);
      case 'value':
        return this.#readValue(byte);
    }
  }

  /** A key and its colon. */
  #readKey(byte: number | undefined): boolean {
    if (byte !== quote) return false;
    const end = stringEnd(this.#bytes, this.#at + 1);
    if (end < 0) return false;
    this.#at = end;
    this.#skipBlanks();
    if (this.#bytes[this.#at] !== colon) return false;
    this.#at++;
    this.#expected = 'value';
    return true;
  }

  /** A whole value, or the beginning of an object or array. */
  #readValue(byte: number | undefined): boolean {
    if (this.#depth === 1) this.#itemStart = this.#at;
    if (byte === openBrace || byte === openBracket) {
      this.#open(byte);
      return true;
    }
    const end =
      byte === quote
        ? stringEnd(this.#bytes, this.#at + 1)
        : byte !== undefined && byte >= 97
          ? wordEnd(this.#bytes, this.#at)
          : numberEnd(this.#bytes, this.#at);
    if (end < 0) return false;
    this.#at = end;
    this.#valueRead();
    return true;
  }

  #open(byte: typeof openBrace | typeof openBracket): void {
    if (this.#depth === this.#levels.length) {
      const larger = new Uint8Array(this.#levels.length * 2);
      larger.set(this.#levels);
      this.#levels = larger;
    }
    this.#levels[this.#depth++] = byte;
    this.#expected = byte === openBrace ? 'keyOrClose' : 'valueOrClose';
    this.#at++;
  }

  #close(byte: number | undefined): boolean {
    const opened = this.#levels[this.#depth - 1];
    if (byte !== (opened === openBrace ? closeBrace : closeBracket)) return false;
    this.#depth--;
    this.#at++;
    this.#valueRead();
    return true;
  }

  #valueRead(): void {
    this.#expected = 'commaOrClose';
    if (this.#depth !== 1 || this.#levels[0] !== openBracket) return;
    if (this.#items.length === this.#itemsMax) this.#tooMany = true;
    else this.#items.push(this.#bytes.subarray(this.#itemStart, this.#at));
  }
}
