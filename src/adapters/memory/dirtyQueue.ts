import type { BlockRef } from './arena.ts';

/**
 * Entities that changed since they were last taken, in the order in which they first did. An entry's number never
 * changes while it is queued, so that an entity can remember it. Entries live in chunks: growing copies nothing.
 */
const chunkEntries = 1 << 14;
const chunkShift = 14;
const none = -1;
/** How many entries that may not be taken yet one `take` passes over before it gives up. */
const skippedMax = 1 << 16;

interface Chunk {
  readonly next: Int32Array;
  readonly ref: Int32Array;
  readonly firstBatch: Float64Array;
}

function createChunk(): Chunk {
  return {
    next: new Int32Array(chunkEntries),
    ref: new Int32Array(chunkEntries),
    firstBatch: new Float64Array(chunkEntries),
  };
}

export class DirtyQueue {
  readonly #chunks: Chunk[] = [];
  #made = 0;
  #free = none;
  #head = none;
  #tail = none;
  #count = 0;

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#chunks.length * chunkEntries * 16;
  }
  /** Batch of the oldest change not taken; Infinity when there is none. */
  get oldestBatch(): number {
    return this.#head === none
      ? Number.POSITIVE_INFINITY
      : (this.#chunk(this.#head).firstBatch[this.#head & (chunkEntries - 1)] as number);
  }

  push(ref: BlockRef, batch: number): number {
    const entry = this.#take();
    const chunk = this.#chunk(entry);
    const i = entry & (chunkEntries - 1);
    chunk.next[i] = none;
    chunk.ref[i] = ref;
    chunk.firstBatch[i] = batch;
    if (this.#tail === none) this.#head = entry;
    else this.#chunk(this.#tail).next[this.#tail & (chunkEntries - 1)] = entry;
    this.#tail = entry;
    this.#count++;
    return entry;
  }

  moved(entry: number, ref: BlockRef): void {
    this.#chunk(entry).ref[entry & (chunkEntries - 1)] = ref;
  }

  /** Hands out, and forgets, up to `max` entities that may be taken; `taken` answers whether an entity was. */
  take(max: number, taken: (ref: BlockRef) => boolean): void {
    let previous = none;
    let entry = this.#head;
    let skipped = 0;
    for (let n = 0; n < max && entry !== none && skipped < skippedMax; ) {
      const chunk = this.#chunk(entry);
      const i = entry & (chunkEntries - 1);
      const next = chunk.next[i] as number;
      if (taken(chunk.ref[i] as number)) {
        this.#unlink(previous, entry, next);
        n++;
      } else {
        previous = entry;
        skipped++;
      }
      entry = next;
    }
  }

  #unlink(previous: number, entry: number, next: number): void {
    if (previous === none) this.#head = next;
    else this.#chunk(previous).next[previous & (chunkEntries - 1)] = next;
    if (this.#tail === entry) this.#tail = previous;
    this.#chunk(entry).next[entry & (chunkEntries - 1)] = this.#free;
    this.#free = entry;
    this.#count--;
  }

  #take(): number {
    const entry = this.#free;
    if (entry !== none) {
      this.#free = this.#chunk(entry).next[entry & (chunkEntries - 1)] as number;
      return entry;
    }
    if (this.#made >> chunkShift === this.#chunks.length) this.#chunks.push(createChunk());
    return this.#made++;
  }

  #chunk(entry: number): Chunk {
    return this.#chunks[entry >> chunkShift] as Chunk;
  }
}
