/**
 * Memory for millions of small blocks that grow, outside the JavaScript heap: chunks of address space, cut into slabs,
 * each slab serving one size class. The system commits a page when it is first touched, so an empty chunk costs nothing.
 *
 * Growing entities leave holes behind in the classes they outgrow. Where a class has too many, its emptiest slab is
 * evacuated: its blocks move together into the other slabs and it can serve another class.
 */
const granuleShift = 4;
const slabShift = 18;
const chunkShift = 26;
const granulesPerSlabShift = slabShift - granuleShift;
const granulesPerChunkShift = chunkShift - granuleShift;
const slabsPerChunk = 1 << (chunkShift - slabShift);
const slabBytes = 1 << slabShift;
const blockBytesMax = slabBytes;
/** 32 GiB: references stay positive 31-bit integers. */
const chunksMax = 1 << (31 - granulesPerChunkShift);

const smallBytesMin = 64;
const smallBytesMax = 512;
const smallClasses = (smallBytesMax - smallBytesMin) / 16 + 1;
const unused = 255;
/** A class may hold one free block for so many used ones before a slab of it is evacuated. */
const usedPerFreeMin = 8;
const victimSamples = 16;
const initialSlabs = 64;

function classOf(bytes: number): number {
  if (bytes <= smallBytesMax) return bytes <= smallBytesMin ? 0 : (bytes - smallBytesMin + 15) >> 4;
  const last = bytes - 1;
  const exponent = 31 - Math.clz32(last);
  return smallClasses + (exponent - 9) * 8 + ((last >> (exponent - 3)) & 7);
}

function sizeOfClass(index: number): number {
  if (index < smallClasses) return smallBytesMin + index * 16;
  const octave = (index - smallClasses) >> 3;
  const step = (index - smallClasses) & 7;
  return (8 + step + 1) << (octave + 6);
}
const classCount = classOf(blockBytesMax) + 1;
const classBytes = Int32Array.from({ length: classCount }, (_, i) => sizeOfClass(i));

/** A block's reference: its address in units of 16 bytes; 0 is no block. */
export type BlockRef = number;

function grown<T extends Int32Array | Uint8Array>(array: T, make: (length: number) => T): T {
  const next = make(array.length * 2);
  next.set(array);
  return next;
}

/** The first byte of a block must not be 0 while it is in use: that is how evacuation knows it from a free one. */
export class Arena {
  readonly #views: DataView[] = [];
  readonly #bytes: Uint8Array[] = [];
  #slabClass = new Uint8Array(initialSlabs).fill(unused);
  #slabUsed = new Int32Array(initialSlabs);
  #slabFree = new Int32Array(initialSlabs);
  #slabFresh = new Int32Array(initialSlabs);
  #slabListed = new Uint8Array(initialSlabs);
  /** Slab 0 is never handed out, so that no block has reference 0. */
  #slabCount = 1;
  readonly #pool: number[] = [];
  readonly #current = new Int32Array(classCount).fill(-1);
  readonly #partial: number[][] = Array.from({ length: classCount }, () => []);
  readonly #usedBlocks = new Int32Array(classCount);
  readonly #freeBlocks = new Int32Array(classCount);
  readonly #crowded = new Set<number>();
  #epoch = 0;

  /** Address space handed to slabs; what the process really holds is at most this. */
  get reservedBytes(): number {
    return (this.#slabCount - 1) << slabShift;
  }
  /** Bytes of slabs that serve no class at the moment. */
  get pooledBytes(): number {
    return this.#pool.length * slabBytes;
  }
  /** Changes whenever a slab is given to another class: only then may a freed block's bytes be taken for another's. */
  get epoch(): number {
    return this.#epoch;
  }
  /** True when `evacuate` has something to do. */
  get crowded(): boolean {
    return this.#crowded.size > 0;
  }

  view(ref: BlockRef): DataView {
    return this.#views[ref >>> granulesPerChunkShift] as DataView;
  }
  bytes(ref: BlockRef): Uint8Array {
    return this.#bytes[ref >>> granulesPerChunkShift] as Uint8Array;
  }
  /** Where the block starts in its view. */
  offset(ref: BlockRef): number {
    return (ref & ((1 << granulesPerChunkShift) - 1)) << granuleShift;
  }
  size(ref: BlockRef): number {
    return classBytes[this.#slabClass[ref >>> granulesPerSlabShift] as number] as number;
  }

  /** A block of at least `bytes` (≤ blockBytesMax); its content is undefined. */
  allocate(bytes: number): BlockRef {
    if (bytes > blockBytesMax) throw new Error(`a block of ${bytes} bytes is larger than a slab`);
    const sizeClass = classOf(bytes);
    let slab = this.#current[sizeClass] as number;
    if (slab < 0 || !this.#hasRoom(slab)) slab = this.#nextSlab(sizeClass);
    this.#usedBlocks[sizeClass] = (this.#usedBlocks[sizeClass] as number) + 1;
    this.#slabUsed[slab] = (this.#slabUsed[slab] as number) + 1;
    const free = this.#slabFree[slab] as number;
    if (free !== 0) {
      this.#slabFree[slab] = this.view(free).getInt32(this.offset(free) + 4, true);
      this.#freeBlocks[sizeClass] = (this.#freeBlocks[sizeClass] as number) - 1;
      return free;
    }
    const fresh = this.#slabFresh[slab] as number;
    this.#slabFresh[slab] = fresh + 1;
    return (slab << granulesPerSlabShift) + ((fresh * (classBytes[sizeClass] as number)) >>> granuleShift);
  }

  free(ref: BlockRef): void {
    const slab = ref >>> granulesPerSlabShift;
    const sizeClass = this.#slabClass[slab] as number;
    const view = this.view(ref);
    const at = this.offset(ref);
    view.setUint8(at, 0);
    view.setInt32(at + 4, this.#slabFree[slab] as number, true);
    this.#slabFree[slab] = ref;
    const used = (this.#slabUsed[slab] as number) - 1;
    this.#slabUsed[slab] = used;
    this.#usedBlocks[sizeClass] = (this.#usedBlocks[sizeClass] as number) - 1;
    const freeBlocks = (this.#freeBlocks[sizeClass] as number) + 1;
    this.#freeBlocks[sizeClass] = freeBlocks;
    if (used === 0 && slab !== this.#current[sizeClass]) {
      this.#release(slab, sizeClass);
      return;
    }
    if (this.#slabListed[slab] === 0 && slab !== this.#current[sizeClass]) {
      this.#slabListed[slab] = 1;
      this.#partial[sizeClass]?.push(slab);
    }
    if (this.#isCrowded(sizeClass)) this.#crowded.add(sizeClass);
  }

  /**
   * Empties at most one slab of a class with too many free blocks (a fraction of a millisecond). No reference may be
   * held across the call; `moved` is told each block's old and new reference, its content already being at the new one.
   */
  evacuate(moved: (from: BlockRef, to: BlockRef) => void): void {
    const next = this.#crowded.values().next();
    if (next.done === true) return;
    const sizeClass = next.value;
    const victim = this.#isCrowded(sizeClass) ? this.#emptiest(sizeClass) : -1;
    if (victim < 0) {
      this.#crowded.delete(sizeClass);
      return;
    }
    const bytes = classBytes[sizeClass] as number;
    const fresh = this.#slabFresh[victim] as number;
    for (let i = 0; i < fresh; i++) {
      const from = (victim << granulesPerSlabShift) + ((i * bytes) >>> granuleShift);
      const at = this.offset(from);
      const source = this.bytes(from);
      if (source[at] === 0) continue;
      const to = this.allocate(bytes);
      this.bytes(to).set(source.subarray(at, at + bytes), this.offset(to));
      this.free(from);
      moved(from, to);
    }
  }

  #isCrowded(sizeClass: number): boolean {
    const perSlab = Math.floor(slabBytes / (classBytes[sizeClass] as number));
    const free = this.#freeBlocks[sizeClass] as number;
    return free > perSlab && free * usedPerFreeMin > (this.#usedBlocks[sizeClass] as number);
  }

  #hasRoom(slab: number): boolean {
    const bytes = classBytes[this.#slabClass[slab] as number] as number;
    return this.#slabFree[slab] !== 0 || ((this.#slabFresh[slab] as number) + 1) * bytes <= slabBytes;
  }

  #nextSlab(sizeClass: number): number {
    const partial = this.#partial[sizeClass] as number[];
    let slab = partial.pop();
    if (slab === undefined) slab = this.#pool.pop() ?? this.#newSlab();
    this.#slabListed[slab] = 0;
    if (this.#slabClass[slab] !== sizeClass) {
      this.#slabClass[slab] = sizeClass;
      this.#epoch++;
      this.#slabUsed[slab] = 0;
      this.#slabFree[slab] = 0;
      this.#slabFresh[slab] = 0;
    }
    const previous = this.#current[sizeClass] as number;
    this.#current[sizeClass] = slab;
    if (previous >= 0 && this.#hasRoom(previous)) {
      this.#slabListed[previous] = 1;
      partial.push(previous);
    }
    return slab;
  }

  #newSlab(): number {
    if (this.#slabCount % slabsPerChunk === 0 || this.#views.length === 0) this.#addChunk();
    if (this.#slabCount === this.#slabClass.length) this.#growTables();
    return this.#slabCount++;
  }

  #addChunk(): void {
    if (this.#views.length >= chunksMax) throw new Error('the velocity arena has no address space left');
    const buffer = new ArrayBuffer(1 << chunkShift);
    this.#views.push(new DataView(buffer));
    this.#bytes.push(new Uint8Array(buffer));
  }

  #growTables(): void {
    const length = this.#slabClass.length;
    this.#slabClass = grown(this.#slabClass, (n) => new Uint8Array(n)).fill(unused, length);
    this.#slabUsed = grown(this.#slabUsed, (n) => new Int32Array(n));
    this.#slabFree = grown(this.#slabFree, (n) => new Int32Array(n));
    this.#slabFresh = grown(this.#slabFresh, (n) => new Int32Array(n));
    this.#slabListed = grown(this.#slabListed, (n) => new Uint8Array(n));
  }

  #release(slab: number, sizeClass: number): void {
    const partial = this.#partial[sizeClass] as number[];
    if (this.#slabListed[slab] === 1) {
      const at = partial.indexOf(slab);
      partial[at] = partial[partial.length - 1] as number;
      partial.pop();
      this.#slabListed[slab] = 0;
    }
    this.#freeBlocks[sizeClass] = (this.#freeBlocks[sizeClass] as number) - (this.#slabFresh[slab] as number);
    this.#slabClass[slab] = unused;
    this.#pool.push(slab);
  }

  /** The slab with the fewest used blocks among a sample; it is taken off the list, so that nothing is put into it. */
  #emptiest(sizeClass: number): number {
    const partial = this.#partial[sizeClass] as number[];
    let best = -1;
    const step = Math.max(1, Math.floor(partial.length / victimSamples));
    for (let i = 0; i < partial.length; i += step) {
      const used = this.#slabUsed[partial[i] as number] as number;
      if (best < 0 || used < (this.#slabUsed[partial[best] as number] as number)) best = i;
    }
    if (best < 0) return -1;
    const slab = partial[best] as number;
    partial[best] = partial[partial.length - 1] as number;
    partial.pop();
    // Listed, though on no list: `free` must not put it back while it is being emptied.
    this.#slabListed[slab] = 2;
    return slab;
  }
}
