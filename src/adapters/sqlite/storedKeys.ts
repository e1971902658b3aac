/**
 * Which entities state.db may hold: a payment's new card or device is known to be new without a look at the disk. Errs only on the
 * side of "maybe", as the filter of ids does.
 */
import { IdFilter } from './idFilter.ts';

/** Enough for two million entities; with more of them "maybe" comes more often, and state.db answers. */
const keyFilterBytes = 1 << 22;

/** 52 bits of a key (FNV-1a, twice): a filter's answer depends on it, nothing else. */
export function keyHash(key: Uint8Array): number {
  let low = 0x811c9dc5;
  let high = 0x2f3b1c47;
  for (let i = 0; i < key.length; i++) {
    low = Math.imul(low ^ (key[i] as number), 0x01000193);
    high = Math.imul(high ^ (key[i] as number), 0x85ebca6b);
    high ^= high >>> 13;
  }
  return (high >>> 12) * 0x100000000 + (low >>> 0);
}

export class StoredKeys {
  readonly memory = new SharedArrayBuffer(keyFilterBytes);
  readonly #filter = new IdFilter(this.memory);
  #complete = false;

  /** The entity will be stored from now on. */
  add(key: Uint8Array): void {
    this.#filter.add(keyHash(key));
  }

  /** The keys that were in state.db at the start are in. */
  complete(): void {
    this.#complete = true;
  }

  mayHold(key: Uint8Array): boolean {
    return !this.#complete || this.#filter.mayContain(keyHash(key));
  }
}
