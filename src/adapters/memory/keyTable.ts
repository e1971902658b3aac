import type { BlockRef } from './arena.ts';

/**
 * Block references by 32-bit key hash: open addressing, linear probing, eight bytes a slot. It grows a few slots at
 * a time: while it does, what is not yet moved is still found in the old table.
 */
const initialSlots = 1024;
/** Grow when more than three of four slots are taken. */
const loadMax = 0.75;
const migrateSlotsPerInsert = 16;
const empty = 0;
/** Stands in the old table for a reference that was moved to the new one. */
const movedOut = -1;

export class KeyTable {
  #slots = new Int32Array(2 * initialSlots);
  #mask = initialSlots - 1;
  #old: Int32Array | undefined;
  #oldMask = 0;
  #migrateAt = 0;
  #count = 0;
  // The search under way: `first` sets it, `next` goes on.
  #hash = 0;
  #at = 0;
  #inOld = false;

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#slots.byteLength + (this.#old?.byteLength ?? 0);
  }
  /** Slots that `refAt` can be asked for; it changes only with `insert`. */
  get slotCount(): number {
    return this.#mask + 1 + (this.#old === undefined ? 0 : this.#oldMask + 1);
  }

  /** The first reference with this hash, 0 if there is none; whether the key is the same is the caller's to check. */
  first(hash: number): BlockRef {
    this.#hash = hash;
    this.#inOld = false;
    this.#at = hash & this.#mask;
    return this.#search();
  }

  /** What most probably is the reference with this hash: the first slot looked at, 0 when that is another's. */
  guess(hash: number): BlockRef {
    const slot = hash & this.#mask;
    return this.#slots[2 * slot + 1] === hash ? (this.#slots[2 * slot] as number) : empty;
  }

  next(): BlockRef {
    this.#at++;
    return this.#search();
  }

  insert(hash: number, ref: BlockRef): void {
    if (this.#count + 1 > loadMax * (this.#mask + 1)) this.#startGrowing();
    this.#migrate(migrateSlotsPerInsert);
    this.#put(hash, ref);
    this.#count++;
  }

  /** Puts another reference in the place of one that is there. */
  replace(hash: number, from: BlockRef, to: BlockRef): void {
    for (let ref = this.first(hash); ref !== empty; ref = this.next()) {
      if (ref !== from) continue;
      const slots = this.#inOld ? (this.#old as Int32Array) : this.#slots;
      slots[2 * this.#at] = to;
      return;
    }
    throw new Error('replaced a reference that is not in the table');
  }

  remove(hash: number, ref: BlockRef): void {
    for (let found = this.first(hash); found !== empty; found = this.next()) {
      if (found !== ref) continue;
      this.#count--;
      if (this.#inOld) (this.#old as Int32Array)[2 * this.#at] = movedOut;
      else this.#closeGap(this.#at);
      return;
    }
    throw new Error('removed a reference that is not in the table');
  }

  /** The reference in a slot, 0 if there is none: for walking over all entities. */
  refAt(slot: number): BlockRef {
    if (slot <= this.#mask) return this.#slots[2 * slot] as number;
    const ref = this.#old?.[2 * (slot - this.#mask - 1)] ?? empty;
    return ref === movedOut ? empty : ref;
  }

  #search(): BlockRef {
    if (!this.#inOld) {
      const slots = this.#slots;
      const mask = this.#mask;
      for (let i = this.#at & mask; ; i = (i + 1) & mask) {
        const ref = slots[2 * i] as number;
        if (ref === empty) break;
        if (slots[2 * i + 1] === this.#hash) {
          this.#at = i;
          return ref;
        }
      }
      if (this.#old === undefined) return empty;
      this.#inOld = true;
      this.#at = this.#hash & this.#oldMask;
    }
    const old = this.#old as Int32Array;
    for (let i = this.#at & this.#oldMask; ; i = (i + 1) & this.#oldMask) {
      const ref = old[2 * i] as number;
      if (ref === empty) return empty;
      if (ref !== movedOut && old[2 * i + 1] === this.#hash) {
        this.#at = i;
        return ref;
      }
    }
  }

  #put(hash: number, ref: BlockRef): void {
    let i = hash & this.#mask;
    while (this.#slots[2 * i] !== empty) i = (i + 1) & this.#mask;
    this.#slots[2 * i] = ref;
    this.#slots[2 * i + 1] = hash;
  }

  #startGrowing(): void {
    // The old table is long moved by now (16 slots an insert); finish whatever is left.
    this.#migrate(Number.POSITIVE_INFINITY);
    this.#old = this.#slots;
    this.#oldMask = this.#mask;
    this.#migrateAt = 0;
    this.#mask = 2 * this.#mask + 1;
    this.#slots = new Int32Array(2 * (this.#mask + 1));
  }

  #migrate(slots: number): void {
    const old = this.#old;
    if (old === undefined) return;
    const end = Math.min(this.#oldMask + 1, this.#migrateAt + slots);
    for (let i = this.#migrateAt; i < end; i++) {
      const ref = old[2 * i] as number;
      if (ref === empty || ref === movedOut) continue;
      this.#put(old[2 * i + 1] as number, ref);
      old[2 * i] = movedOut;
    }
    this.#migrateAt = end;
    if (end > this.#oldMask) this.#old = undefined;
  }

  /** Deletion without tombstones: what was pushed past the gap moves back into it. */
  #closeGap(gap: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = gap;
    for (let i = (hole + 1) & mask; slots[2 * i] !== empty; i = (i + 1) & mask) {
      const home = (slots[2 * i + 1] as number) & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      slots[2 * hole] = slots[2 * i] as number;
      slots[2 * hole + 1] = slots[2 * i + 1] as number;
      hole = i;
    }
    slots[2 * hole] = empty;
  }
}
