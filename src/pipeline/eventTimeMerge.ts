/**
 * Puts the messages of several partitions into one order by event time. Entities such as terminals have payments in every
 * partition: were each partition of a backlog read at its own pace, a payment would count payments that came days after
 * it, and miss such that came before.
 *
 * A message's place is not its own event time but that of its surroundings in its partition (the median of five): a
 * payment that is dated ahead of time, or comes days late, then neither holds its partition back nor pulls it forward.
 */
export interface Timed {
  readonly partition: number;
  readonly timeMs: number;
}

/** Messages on each side that tell where one belongs: outliers, as long as they are not more, move nobody's place. */
const surroundings = 2;
/** Entries that are taken before the room of those before them is given back. */
const compactAt = 1024;

/** The third of five in order; of numbers only. */
function medianOfFive(a: number, b: number, c: number, d: number, e: number): number {
  // The least and the greatest of the first four cannot be it.
  const low = Math.max(Math.min(a, b), Math.min(c, d));
  const high = Math.min(Math.max(a, b), Math.max(c, d));
  return Math.max(Math.min(low, high), Math.min(Math.max(low, high), e));
}

/** One partition's entries, and where its next one stands. */
class Queue<T extends Timed> {
  readonly partition: number;
  readonly #entries: T[] = [];
  #head = 0;
  /** Times of the two entries before the next. */
  #before1 = Number.NaN;
  #before2 = Number.NaN;
  #placeMs = Number.NEGATIVE_INFINITY;
  #known = false;

  constructor(partition: number) {
    this.partition = partition;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }

  push(entries: readonly T[]): void {
    if (this.size <= surroundings) this.#known = false;
    for (const entry of entries) this.#entries.push(entry);
  }

  /** The queue must not be empty. Places do not go back within a partition. */
  placeMs(): number {
    if (!this.#known) {
      this.#placeMs = Math.max(this.#placeMs, this.#median());
      this.#known = true;
    }
    return this.#placeMs;
  }

  shift(): T {
    this.placeMs();
    const entry = this.#entries[this.#head++] as T;
    this.#before2 = this.#before1;
    this.#before1 = entry.timeMs;
    this.#known = false;
    if (this.#head > compactAt) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    return entry;
  }

  /** What is not there, at either end, counts as the entry itself. */
  #median(): number {
    const entries = this.#entries;
    const head = this.#head;
    const own = (entries[head] as T).timeMs;
    const before1 = Number.isNaN(this.#before1) ? own : this.#before1;
    const before2 = Number.isNaN(this.#before2) ? own : this.#before2;
    return medianOfFive(before2, before1, own, entries[head + 1]?.timeMs ?? own, entries[head + 2]?.timeMs ?? own);
  }
}

export class EventTimeMerge<T extends Timed> {
  readonly #queues = new Map<number, Queue<T>>();
  #size = 0;

  /** Entries that wait. */
  get size(): number {
    return this.#size;
  }

  /** Entries of one partition that wait. */
  waiting(partition: number): number {
    return this.#queues.get(partition)?.size ?? 0;
  }

  /** Partitions that ever had entries here. */
  partitions(): number[] {
    return [...this.#queues.keys()];
  }

  /** @param entries of one partition, following on those added before. */
  add(entries: readonly T[]): void {
    const first = entries[0];
    if (first === undefined) return;
    let queue = this.#queues.get(first.partition);
    if (queue === undefined) this.#queues.set(first.partition, (queue = new Queue(first.partition)));
    queue.push(entries);
    this.#size += entries.length;
  }

  /** Whether a partition has too few entries here to tell the place of its next one, should it have more in the log. */
  lacks(partition: number): boolean {
    return this.waiting(partition) <= surroundings;
  }

  /**
   * Up to `max` entries, in order of their places, none later than `untilMs`.
   * @param more partitions with entries in the log that are not here yet; it stops where one of them could be next.
   */
  take(max: number, more: ReadonlySet<number>, untilMs = Number.POSITIVE_INFINITY): T[] {
    const taken: T[] = [];
    for (const partition of more) if (this.lacks(partition)) return taken;
    while (taken.length < max) {
      const next = this.#next();
      if (next === undefined || next.placeMs() > untilMs) break;
      taken.push(next.shift());
      this.#size--;
      if (more.has(next.partition) && this.lacks(next.partition)) break;
    }
    return taken;
  }

  /** Where the next entry stands, undefined when none waits. */
  nextPlaceMs(): number | undefined {
    return this.#next()?.placeMs();
  }

  /** Forgets everything, for partitions that are read again from another position. */
  clear(): void {
    this.#queues.clear();
    this.#size = 0;
  }

  #next(): Queue<T> | undefined {
    let best: Queue<T> | undefined;
    for (const queue of this.#queues.values()) {
      if (queue.size === 0) continue;
      if (best === undefined || queue.placeMs() < best.placeMs()) best = queue;
    }
    return best;
  }
}
