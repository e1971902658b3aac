import type { EntityCopy } from './entityCopy.ts';

/** What an entry costs besides its bytes: key, map entry, objects. */
const overheadBytes = 400;

/** The copies this process keeps, those used last; forgetting one costs only a longer reply. */
export class Copies {
  readonly #bytesMax: number;
  readonly #copies = new Map<string, { copy: EntityCopy; bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#copies.size;
  }

  get(key: string): EntityCopy | undefined {
    return this.#copies.get(key)?.copy;
  }

  /** Keeps the copy as the one used last. */
  keep(key: string, copy: EntityCopy): void {
    this.drop(key);
    const bytes = copy.bytes.length + overheadBytes + key.length;
    this.#copies.set(key, { copy, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) {
      const oldest = this.#copies.keys().next();
      if (oldest.done === true) return;
      this.drop(oldest.value);
    }
  }

  drop(key: string): void {
    const known = this.#copies.get(key);
    if (known === undefined) return;
    this.#copies.delete(key);
    this.#bytes -= known.bytes;
  }

  clear(): void {
    this.#copies.clear();
    this.#bytes = 0;
  }
}
