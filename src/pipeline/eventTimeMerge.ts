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

/** One partition's entries, and where its next one stands. */
class Queue<T extends Timed> {
  readonly #entries: T[] = [];
  #head = 0;
  /** Times of the two entries before the next. */
  #before1 = Number.NaN;
  #before2 = Number.NaN;
  #placeMs = Number.NEGATIVE_INFINITY;
  #known = false;

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
    const at = (i: number): number | undefined => this.#entries[this.#head + i]?.timeMs;
    const own = at(0) as number;
    const before = (timeMs: number): number => (Number.isNaN(timeMs) ? own : timeMs);
    const around = [before(this.#before2), before(this.#before1), own, at(1) ?? own, at(2) ?? own];
    return around.sort((a, b) => a - b)[surroundings] as number;
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
    if (queue === undefined) this.#queues.set(first.partition, (queue = new Queue()));
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
      if (next === undefined || next.queue.placeMs() > untilMs) break;
      taken.push(next.queue.shift());
      this.#size--;
      if (more.has(next.partition) && this.lacks(next.partition)) break;
    }
    return taken;
  }

  /** Where the next entry stands, undefined when none waits. */
  nextPlaceMs(): number | undefined {
    return this.#next()?.queue.placeMs();
  }

  /** Forgets everything, for partitions that are read again from another position. */
  clear(): void {
    this.#queues.clear();
    this.#size = 0;
  }

  #next(): { readonly partition: number; readonly queue: Queue<T> } | undefined {
    let best: { readonly partition: number; readonly queue: Queue<T> } | undefined;
    for (const [partition, queue] of this.#queues) {
      if (queue.size === 0) continue;
      if (best === undefined || queue.placeMs() < best.queue.placeMs()) best = { partition, queue };
    }
    return best;
  }
}
