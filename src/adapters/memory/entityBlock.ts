/**
 * Layout of an entity's block in the arena: a head of 24 bytes, the key's values as UTF-8, the fixed part of the
 * accelerator when there is one, the state bytes, and at the end the accelerator's tables.
 *
 * 0 kind + 1 u8 (never 0: the block is in use) · 1 flags u8 · 2 tenant u16 · 4 key hash i32 · 8 dirty entry + 1 i32 ·
 * 12 bytes of the values u16 · 14 where the tables start, in units of 16 bytes, 0: no accelerator u16 ·
 * 16 batch of the last change f64.
 * The values of a pair stand one after the other, the first preceded by its length in two bytes.
 */
import type { PaymentFacts } from '../../features/facts.ts';
import type { EntityPlan } from '../../features/plan.ts';
import { mix32 } from '../../features/hash.ts';

export const blockHeadBytes = 24;
export const blockKindAt = 0;
export const blockFlagsAt = 1;
export const blockTenantAt = 2;
export const blockHashAt = 4;
export const blockDirtyAt = 8;
export const blockValueBytesAt = 12;
export const blockTablesAt = 14;
export const blockBatchAt = 16;
/** Set at every use, cleared by the clock hand: an entity found without it has not been used for a round. */
export const referencedFlag = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const asciiMax = 127;

/** Hash of an entity's key; 32 bits, spread by a seed that whoever sends payments does not know. */
export function keyHash(facts: PaymentFacts, plan: EntityPlan, tenant: number, seed: number): number {
  const first = plan.fields[0] as number;
  let h = mix32((facts.codes[first] as number) ^ seed ^ Math.imul(plan.index + 1, 0x9e3779b1) ^ (tenant << 16));
  const second = plan.fields[1];
  if (second !== undefined) h = mix32(h ^ (facts.codes[second] as number));
  return h;
}

/** Whether `length` bytes of UTF-8 at `at` are the text. */
function sameText(bytes: Uint8Array, at: number, length: number, text: string): boolean {
  if (text.length > length) return false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // From here on bytes and units no longer stand at the same places.
    if (unit > asciiMax) return sameEncoded(bytes, at, length, text);
    if (bytes[at + i] !== unit) return false;
  }
  return text.length === length;
}

function sameEncoded(bytes: Uint8Array, at: number, length: number, text: string): boolean {
  const encoded = encoder.encode(text);
  if (encoded.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== encoded[i]) return false;
  return true;
}

/** Whether a block's values are those of the payment. */
export function sameValues(
  bytes: Uint8Array,
  at: number,
  length: number,
  plan: EntityPlan,
  facts: PaymentFacts,
): boolean {
  const first = facts.values[plan.fields[0] as number] as string;
  if (plan.fields.length === 1) return sameText(bytes, at, length, first);
  const firstBytes = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  const second = facts.values[plan.fields[1] as number] as string;
  const secondAt = at + 2 + firstBytes;
  return sameText(bytes, at + 2, firstBytes, first) && sameText(bytes, secondAt, length - 2 - firstBytes, second);
}

/** Grows when a payment's values need more. */
let scratch = Buffer.alloc(1024);

/** The payment's values as a block holds them: a view that the next call overwrites. */
export function encodeValues(plan: EntityPlan, facts: PaymentFacts): Uint8Array {
  const first = facts.values[plan.fields[0] as number] ?? '';
  const pair = plan.fields.length > 1;
  const second = pair ? (facts.values[plan.fields[1] as number] ?? '') : '';
  // A UTF-16 unit takes three bytes at most.
  const needed = 2 + 3 * (first.length + second.length);
  if (needed > scratch.length) scratch = Buffer.alloc(2 * needed);
  if (!pair) return scratch.subarray(0, scratch.write(first, 0));
  const firstBytes = scratch.write(first, 2);
  scratch.writeUInt16LE(firstBytes, 0);
  return scratch.subarray(0, 2 + firstBytes + scratch.write(second, 2 + firstBytes));
}

export function decodeValues(bytes: Uint8Array, pair: boolean): string[] {
  if (!pair) return [decoder.decode(bytes)];
  const firstBytes = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
  return [decoder.decode(bytes.subarray(2, 2 + firstBytes)), decoder.decode(bytes.subarray(2 + firstBytes))];
}

/**
 * How the keys of a tenant's entities of one kind begin. A key, unique over tenants and kinds outside this process, is tenant and
 * kind, each preceded by its length in two bytes, then the values as above.
 */
export function keyPrefix(tenant: string, kind: string): Uint8Array {
  const parts = [encoder.encode(tenant), encoder.encode(kind)];
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 2 + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out[at] = part.length & 255;
    out[at + 1] = part.length >>> 8;
    out.set(part, at + 2);
    at += 2 + part.length;
  }
  return out;
}

export function joinKey(prefix: Uint8Array, values: Uint8Array): Uint8Array {
  const key = Buffer.allocUnsafe(prefix.length + values.length);
  key.set(prefix);
  key.set(values, prefix.length);
  return key;
}

interface DecodedKey {
  readonly tenant: string;
  readonly kind: string;
  readonly values: Uint8Array;
}

/** Undefined when the bytes are no key. */
export function decodeKey(key: Uint8Array): DecodedKey | undefined {
  const texts: string[] = [];
  let at = 0;
  for (let i = 0; i < 2; i++) {
    const length = (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8);
    if (at + 2 + length > key.length) return undefined;
    texts.push(decoder.decode(key.subarray(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  return { tenant: texts[0] ?? '', kind: texts[1] ?? '', values: key.subarray(at) };
}
