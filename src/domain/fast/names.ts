/**
 * Attribute names seen lately, as interned strings found by their bytes: making and interning a string for each name of
 * each payment would cost as much as the rest of the payment. Also finds a name that comes twice in one payment.
 */
import { attributesMax } from '../bounds.ts';
import { forbiddenKeys } from '../forbiddenKeys.ts';
import { holdsPan } from '../pan.ts';
import { scratch } from './scratch.ts';

const bytes = scratch;
const slotBits = 12;
const slots = 1 << slotBits;
const slotShift = 32 - slotBits;
/** Names kept; when there are more, all are forgotten, so that a caller who invents names only slows himself down. */
const namesMax = 1024;
/** Names that share a place are looked through up to this many; a payment with one more goes the thorough way. */
const probesMax = 32;
/** Longer names are not kept. */
const keptBytesMax = 64;

const names = new Array<string | undefined>(slots).fill(undefined);
/** The payment in which the name of the slot was last seen. */
const seenIn = new Uint32Array(slots);
let kept = 0;
let current = 0;

/** A new payment begins. */
export function startNames(): void {
  if (kept > namesMax - attributesMax) {
    names.fill(undefined);
    kept = 0;
  }
  current = (current + 1) >>> 0;
  // After four billion payments the counter starts again, and must not meet marks from its last round.
  if (current === 0) {
    seenIn.fill(0);
    current = 1;
  }
}

/** The name in bytes[start, end), or undefined when it is empty or long, not allowed, or came already in this payment. */
export function nameAt(start: number, end: number, text: string): string | undefined {
  const length = end - start;
  if (length < 1 || length > keptBytesMax) return undefined;
  let hash = length;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  // Multiplied by 2^32 ÷ golden ratio, so that short and similar names do not end up side by side.
  let slot = Math.imul(hash, 0x9e3779b1) >>> slotShift;
  for (let probe = 0; names[slot] !== undefined; probe++) {
    const name = names[slot] as string;
    if (probe === probesMax) return undefined;
    if (isNameAt(name, start, length)) {
      if (seenIn[slot] === current) return undefined;
      seenIn[slot] = current;
      return name;
    }
    slot = (slot + 1) & (slots - 1);
  }
  return keep(slot, text.slice(start, end));
}

function isNameAt(name: string, start: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) if (name.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

function keep(slot: number, name: string): string | undefined {
  if (forbiddenKeys.has(name) || holdsPan(name)) return undefined;
  // A property key is interned, and does not keep the payment's whole text alive as a slice of it would.
  const [interned] = Object.keys({ [name]: 0 });
  names[slot] = interned;
  seenIn[slot] = current;
  kept++;
  return interned;
}
