/**
 * Hash → journal seq of the newest decisions, those which `state.db` does not index yet. Kept in generations by seq, so
 * that what became indexed is dropped whole. Two payments may share a hash: an entry is one seq or a list.
 */
const generationRows = 8192;

type Entry = number | number[];

export class HotIds {
  readonly #generations = new Map<number, Map<number, Entry>>();

  add(hash: number, seq: number): void {
    const number = Math.floor(seq / generationRows);
    let generation = this.#generations.get(number);
    if (generation === undefined) {
      generation = new Map();
      this.#generations.set(number, generation);
    }
    const entry = generation.get(hash);
    if (entry === undefined) generation.set(hash, seq);
    else if (typeof entry === 'number') generation.set(hash, [entry, seq]);
    else entry.push(seq);
  }

  /** Takes back an `add` whose transaction failed. */
  remove(hash: number, seq: number): void {
    const generation = this.#generations.get(Math.floor(seq / generationRows));
    const entry = generation?.get(hash);
    if (generation === undefined || entry === undefined) return;
    const left = typeof entry === 'number' ? [] : entry.filter((other) => other !== seq);
    if (left.length === 0) generation.delete(hash);
    else generation.set(hash, left);
  }

  /** Every seq of that hash. */
  find(hash: number): readonly number[] {
    let found: readonly number[] = none;
    for (const generation of this.#generations.values()) {
      const entry = generation.get(hash);
      if (entry === undefined) continue;
      found = found.concat(entry);
    }
    return found;
  }

  /** Forgets what is indexed: generations that end at or before `seq`. */
  dropThrough(seq: number): void {
    for (const number of this.#generations.keys()) {
      if ((number + 1) * generationRows - 1 <= seq) this.#generations.delete(number);
    }
  }

  *hashes(): Generator<number> {
    for (const generation of this.#generations.values()) yield* generation.keys();
  }

  get size(): number {
    let size = 0;
    for (const generation of this.#generations.values()) size += generation.size;
    return size;
  }
}

const none: readonly number[] = [];
