/** A command of the client that makes its bytes at once: the client's own way makes some six small objects for every key. */
import { Command } from 'ioredis';

const digitZero = 48;
const asciiMax = 0x7f;
const utf8BytesMax = 3;
/** `*` or `$`, a length of 10 digits at most, and two line ends. */
const frameBytesMax = 15;
const arraySign = 42;
const textSign = 36;
const carriageReturn = 13;
const lineFeed = 10;

/** Bytes that no form of these arguments exceeds; an own buffer of that size is the one that is sent. */
function bytesMaxOf(name: string, args: readonly unknown[]): number {
  let bytes = 2 * frameBytesMax + name.length * utf8BytesMax;
  for (const arg of args)
    bytes += frameBytesMax + (Buffer.isBuffer(arg) ? arg.length : String(arg).length * utf8BytesMax);
  return bytes;
}

/** One command in Redis' protocol (RESP): an array of strings, each with its length in bytes before it. */
class Packer {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytesMax: number) {
    this.bytes = Buffer.allocUnsafe(bytesMax);
  }

  length(sign: number, length: number): void {
    this.bytes[this.at++] = sign;
    let digits = 1;
    for (let power = 10; length >= power; power *= 10) digits++;
    let rest = length;
    for (let i = this.at + digits - 1; i >= this.at; i--) {
      const next = Math.floor(rest / 10);
      this.bytes[i] = digitZero + (rest - next * 10);
      rest = next;
    }
    this.at += digits;
    this.lineEnd();
  }

  text(text: string): void {
    const from = this.at;
    this.length(textSign, text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > asciiMax) {
        this.at = from;
        this.wideText(text);
        return;
      }
      this.bytes[this.at++] = code;
    }
    this.lineEnd();
  }

  /** Of which not every character is a byte. */
  wideText(text: string): void {
    this.length(textSign, Buffer.byteLength(text));
    this.at += this.bytes.write(text, this.at);
    this.lineEnd();
  }

  buffer(buffer: Buffer): void {
    this.length(textSign, buffer.length);
    this.bytes.set(buffer, this.at);
    this.at += buffer.length;
    this.lineEnd();
  }

  lineEnd(): void {
    this.bytes[this.at++] = carriageReturn;
    this.bytes[this.at++] = lineFeed;
  }
}

export class PackedCommand extends Command {
  override toWritable(): Buffer {
    const { name, args } = this;
    const packer = new Packer(bytesMaxOf(name, args));
    packer.length(arraySign, args.length + 1);
    packer.text(name);
    for (const arg of args) {
      if (Buffer.isBuffer(arg)) packer.buffer(arg);
      else packer.text(String(arg));
    }
    return packer.bytes.subarray(0, packer.at);
  }
}
