/** JSON pieces straight into bytes: no strings are made for what every decision has. */
import { jsonString } from './serialise.ts';

const digitZero = 48;
const point = 46;
const quote = 34;
const backslash = 92;
const firstPrintable = 0x20;
const lastAscii = 0x7e;

export class ByteWriter {
  bytes: Uint8Array;
  at = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  /** Ready-made ASCII or UTF-8; room must be reserved. */
  constant(constant: Uint8Array): void {
    this.bytes.set(constant, this.at);
    this.at += constant.length;
  }

  /** A JSON string literal; reserves its own room. */
  quoted(text: string): void {
    const { length } = text;
    this.reserve(length + 2);
    const { bytes } = this;
    let at = this.at;
    bytes[at++] = quote;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code < firstPrintable || code > lastAscii || code === quote || code === backslash) {
        this.raw(jsonString(text));
        return;
      }
      bytes[at++] = code;
    }
    bytes[at++] = quote;
    this.at = at;
  }

  /** Any text as UTF-8, as it is; reserves its own room. */
  raw(text: string): void {
    const length = Buffer.byteLength(text);
    this.reserve(length);
    Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.at, length).write(text);
    this.at += length;
  }

  /** A finite number as JSON has it, -0 as `-0`; room must be reserved (25 bytes). */
  number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
      this.integer(value);
      return;
    }
    const text = Object.is(value, -0) ? '-0' : String(value);
    for (let i = 0; i < text.length; i++) this.bytes[this.at++] = text.charCodeAt(i);
  }

  /** A non-negative safe integer; room must be reserved (16 digits at most). */
  integer(value: number): void {
    let digits = 1;
    for (let power = 10; value >= power; power *= 10) digits++;
    let rest = value;
    for (let i = this.at + digits - 1; i >= this.at; i--) {
      const next = Math.floor(rest / 10);
      this.bytes[i] = digitZero + (rest - next * 10);
      rest = next;
    }
    this.at += digits;
  }

  /**
   * A number in [0, 1] that is a multiple of 10^−places (9 at most: the steps must stay small integers), without trailing
   * zeros: JSON.parse of it is the number itself.
   * Room must be reserved.
   */
  fraction(value: number, scale: number, places: number): void {
    let steps = Math.round(value * scale);
    if (steps === 0 || steps === scale) {
      this.bytes[this.at++] = digitZero + (steps === 0 ? 0 : 1);
      return;
    }
    let left = places;
    while (steps % 10 === 0) {
      steps /= 10;
      left--;
    }
    const from = this.at;
    this.bytes[from] = digitZero;
    this.bytes[from + 1] = point;
    for (let i = from + 1 + left; i > from + 1; i--) {
      const next = (steps / 10) | 0;
      this.bytes[i] = digitZero + (steps - next * 10);
      steps = next;
    }
    this.at = from + 2 + left;
  }
}
