import type { EntityCopy } from './entityCopy.ts';

/** What an entry costs besides its bytes: key, map entry, objects. */
const overheadBytes = 400;

/** A copy's place among those that are kept; the copy knows it, so that it is not looked for twice a payment. */
export interface Kept {
  copy: EntityCopy;
  bytes: number;
  /** Since it was last looked at for eviction. */
  used: boolean;
}

/** The copies this process keeps, those not used for long given up first; forgetting one costs only a longer reply. */
export class Copies {
  readonly #bytesMax: number;
  readonly #copies = new Map<string, Kept>();
  #bytes = 0;
  /**
   * Goes round the entries, oldest first. Kept, because a new one would have to get past all that was deleted before it, which a
   * Map holds on to until it makes itself anew.
   */
  #hand: MapIterator<[string, Kept]>;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#hand = this.#copies.entries();
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#copies.size;
  }

  get(key: string): EntityCopy | undefined {
    const kept = this.#copies.get(key);
    if (kept === undefined) return undefined;
    kept.used = true;
    return kept.copy;
  }

  keep(key: string, copy: EntityCopy): void {
    const bytes = copy.bytes.length + overheadBytes + key.length;
    const kept = copy.kept ?? this.#copies.get(key);
    this.#bytes += bytes - (kept?.bytes ?? 0);
    if (kept === undefined) {
      copy.kept = { copy, bytes, used: false };
      this.#copies.set(key, copy.kept);
    } else {
      kept.copy.kept = undefined;
      kept.copy = copy;
      kept.bytes = bytes;
      copy.kept = kept;
    }
    if (this.#bytes > this.#bytesMax) this.#evict();
  }

  drop(key: string): void {
    const known = this.#copies.get(key);
    if (known === undefined) return;
    this.#copies.delete(key);
    this.#bytes -= known.bytes;
    known.copy.kept = undefined;
  }

  clear(): void {
    for (const { copy } of this.#copies.values()) copy.kept = undefined;
    this.#copies.clear();
    this.#hand = this.#copies.entries();
    this.#bytes = 0;
  }

  /** Oldest first; one that was used since gets another round. */
  #evict(): void {
    while (this.#bytes > this.#bytesMax && this.#copies.size > 0) {
      const next = this.#hand.next();
      if (next.done === true) {
        this.#hand = this.#copies.entries();
        continue;
      }
      const [key, kept] = next.value;
      this.#copies.delete(key);
      if (kept.used) {
        kept.used = false;
        this.#copies.set(key, kept);
      } else {
        this.#bytes -= kept.bytes;
        kept.copy.kept = undefined;
      }
    }
  }
}
