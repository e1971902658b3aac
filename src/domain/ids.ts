/** Hashes and deterministic ids. MurmurHash3 by Austin Appleby (public domain), over the UTF-16 units of the text. */

import { latin1Text } from './latin1.ts';

const c1 = 0x239b961b;
const c2 = 0xab0e9789 | 0;
const c3 = 0x38b34ae5;
const c4 = 0xa1e38b93 | 0;
const separator = 0;
const dash = 45;

const rotl = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

function mix(x: number): number {
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** 32 bits (unsigned) of a text: MurmurHash3_x86_32 over its UTF-16LE bytes. Not for anything adversarial. */
export function hash32(text: string, seed = 0): number {
  let h = seed | 0;
  const length = text.length;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    const k = Math.imul(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16), 0xcc9e2d51);
    h = (Math.imul(rotl(h ^ Math.imul(rotl(k, 15), 0x1b873593), 13), 5) + 0xe6546b64) | 0;
  }
  if (i < length) h ^= Math.imul(rotl(Math.imul(text.charCodeAt(i), 0xcc9e2d51), 15), 0x1b873593);
  return mix(h ^ (length * 2)) >>> 0;
}

const h = new Int32Array(4);

/**
 * MurmurHash3_x86_128 over the UTF-16LE bytes of `a`, a NUL, and `b`, into `h`. Two units are one word, eight units one
 * block; the last block is filled with zeros, which the length mixed in at the end tells apart.
 */
function hash128(a: string, b: string): void {
  const aLength = a.length;
  const length = aLength + 1 + b.length;
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  for (let i = 0; i < length; i += 8) {
    const full = i + 8 <= length;
    h1 ^= Math.imul(rotl(Math.imul(word(a, b, aLength, length, i), c1), 15), c2);
    if (full) h1 = (Math.imul((rotl(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotl(Math.imul(word(a, b, aLength, length, i + 2), c2), 16), c3);
    if (full) h2 = (Math.imul((rotl(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotl(Math.imul(word(a, b, aLength, length, i + 4), c3), 17), c4);
    if (full) h3 = (Math.imul((rotl(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotl(Math.imul(word(a, b, aLength, length, i + 6), c4), 18), c1);
    if (full) h4 = (Math.imul((rotl(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  finish(h1 ^ (length * 2), h2 ^ (length * 2), h3 ^ (length * 2), h4 ^ (length * 2));
}

function finish(h1: number, h2: number, h3: number, h4: number): void {
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = mix((h2 + h1) | 0);
  h3 = mix((h3 + h1) | 0);
  h4 = mix((h4 + h1) | 0);
  h1 = (mix(h1) + h2 + h3 + h4) | 0;
  h[0] = h1;
  h[1] = (h2 + h1) | 0;
  h[2] = (h3 + h1) | 0;
  h[3] = (h4 + h1) | 0;
}

function word(a: string, b: string, aLength: number, length: number, i: number): number {
  return unit(a, b, aLength, length, i) | (unit(a, b, aLength, length, i + 1) << 16);
}

function unit(a: string, b: string, aLength: number, length: number, i: number): number {
  if (i > aLength) return i < length ? b.charCodeAt(i - aLength - 1) : 0;
  return i < aLength ? a.charCodeAt(i) : separator;
}

const hexDigits = new TextEncoder().encode('0123456789abcdef');

/** Bytes of an id as text. */
export const idBytes = 36;

/** `deterministicId` as ASCII into target[at, at + 36). */
export function writeDeterministicId(target: Uint8Array, at: number, tenantId: string, paymentId: string): void {
  hash128(tenantId, paymentId);
  const h2 = ((h[1] as number) & 0xffff_0fff) | 0x8000;
  const h3 = ((h[2] as number) & 0x3fff_ffff) | 0x8000_0000;
  writeHex16(target, at, (h[0] as number) >>> 16);
  writeHex16(target, at + 4, h[0] as number);
  target[at + 8] = dash;
  writeHex16(target, at + 9, h2 >>> 16);
  target[at + 13] = dash;
  writeHex16(target, at + 14, h2);
  target[at + 18] = dash;
  writeHex16(target, at + 19, h3 >>> 16);
  target[at + 23] = dash;
  writeHex16(target, at + 24, h3);
  writeHex16(target, at + 28, (h[3] as number) >>> 16);
  writeHex16(target, at + 32, h[3] as number);
}

function writeHex16(target: Uint8Array, at: number, value: number): void {
  target[at] = hexDigits[(value >>> 12) & 15] as number;
  target[at + 1] = hexDigits[(value >>> 8) & 15] as number;
  target[at + 2] = hexDigits[(value >>> 4) & 15] as number;
  target[at + 3] = hexDigits[value & 15] as number;
}

const idText = Buffer.alloc(idBytes);

/**
 * An id that any process gives the same payment, so that every effect can be keyed by it: 122 bits of a hash of tenant
 * and payment id, as a UUID of version 8 (RFC 9562). Ids contain no NUL, so that the pair is hashed without ambiguity.
 */
export function deterministicId(tenantId: string, paymentId: string): string {
  writeDeterministicId(idText, 0, tenantId, paymentId);
  return latin1Text(idText, idBytes);
}
