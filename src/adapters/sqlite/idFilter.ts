/**
 * A Bloom filter over 52-bit id hashes in shared memory: says "never seen" for nearly every new payment without a look
 * at the disk. It may err on the side of "maybe", never on the other. Blocks of 64 bytes: one cache line a question.
 * Bits are set with `Atomics.or`, because the thread that fills it from the index and the main thread write at once.
 */
const blockWords = 16;
const bitsPerId = 6;

/** Filter bits for each id it is made for: 0.1 to 0.2 % "maybe" when full. */
const bitsPerIdAllotted = 16;
export const filterBytesMin = 1 << 20;
/** 32 million ids; beyond, "maybe" comes more often and the index answers. */
export const filterBytesMax = 1 << 26;

/** Memory of a filter for `ids` entries, within the bounds. @param least a power of two. */
export function filterBytesFor(ids: number, least: number = filterBytesMin): number {
  let bytes = least;
  while (bytes < filterBytesMax && bytes * 8 < ids * bitsPerIdAllotted) bytes *= 2;
  return bytes;
}

export class IdFilter {
  readonly memory: SharedArrayBuffer;
  /** Ids it can take before it should be replaced by a larger one. */
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #blockMask: number;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.capacity = (memory.byteLength * 8) / bitsPerIdAllotted;
    this.#words = new Int32Array(memory);
    this.#blockMask = memory.byteLength / (blockWords * 4) - 1;
  }

  add(hash: number): void {
    const base = (mixedHigh(hash) & this.#blockMask) * blockWords;
    let low = mixedLow(hash);
    for (let i = 0; i < bitsPerId; i++) {
      Atomics.or(this.#words, base + ((low >>> 5) & 15), 1 << (low & 31));
      low = Math.imul(low, 0x9e3779b1) + 0x7f4a7c15;
      low ^= low >>> 15;
    }
  }

  mayContain(hash: number): boolean {
    const base = (mixedHigh(hash) & this.#blockMask) * blockWords;
    let low = mixedLow(hash);
    for (let i = 0; i < bitsPerId; i++) {
      if (((this.#words[base + ((low >>> 5) & 15)] as number) & (1 << (low & 31))) === 0) return false;
      low = Math.imul(low, 0x9e3779b1) + 0x7f4a7c15;
      low ^= low >>> 15;
    }
    return true;
  }
}

const mixedHigh = (hash: number): number => {
  const high = Math.imul((hash / 0x100000000) | 0, 0x85ebca6b) ^ (hash >>> 0);
  return (high ^ (high >>> 15)) >>> 0;
};
/** The low word of a hash that is larger than 32 bits: `>>> 0` takes it modulo 2³². */
const mixedLow = (hash: number): number => hash >>> 0;
