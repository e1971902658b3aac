/** What one member has of one partition: read ahead, handed out, committed. Offsets only ever grow within a tenure. */
import type { Message } from '../../pipeline/ports.ts';

export class HeldPartition {
  readonly partition: number;
  readonly #buffer: Message[] = [];
  #head = 0;
  #bytes = 0;
  /** The offset after the last one taken in; undefined before the first. */
  #next: number | undefined;
  /** The first offset that was handed out and is not committed; undefined before the first. */
  #position: number | undefined;
  /** The offset after the last one handed out. */
  #handedTo = 0;
  /** A seek to `next` is on its way: what was fetched further on is from before it. */
  #seeking = false;
  /** The broker no longer has `next`: the next fetch may begin elsewhere. */
  #outOfRange = false;
  /** The offset after the newest message in the log, as of the last fetch. */
  #end = 0;
  /** It was found to have nothing to read; otherwise, before the first fetch, nothing is known. */
  #caughtUp = false;
  paused = false;

  constructor(partition: number) {
    this.partition = partition;
  }

  get size(): number {
    return this.#buffer.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Has messages that were not handed out, as far as is known. */
  get behind(): boolean {
    if (this.size > 0) return true;
    return this.#next === undefined ? !this.#caughtUp : this.#seeking || this.#next < this.#end;
  }

  /** Nobody has fetched from it, and there is nothing to fetch. */
  caughtUp(): void {
    this.#caughtUp = true;
  }

  get next(): number | undefined {
    return this.#next;
  }

  /**
   * Whether a fetch that began at `fetchedFrom` goes on where this partition is. `restarted`: the broker has lost offsets
   * in between, or begins anew.
   */
  accepts(fetchedFrom: number): 'yes' | 'restarted' | 'stale' {
    const next = this.#next;
    if (next === undefined) return this.#outOfRange ? 'restarted' : 'yes';
    if (this.#outOfRange) return fetchedFrom === next ? 'yes' : 'restarted';
    // Without a seek on its way, offsets that hold no message (ends of transactions) lie in between.
    return fetchedFrom > next && this.#seeking ? 'stale' : 'yes';
  }

  /** Offsets begin anew at `fetchedFrom`. */
  restart(fetchedFrom: number): void {
    if (fetchedFrom < (this.#next ?? 0)) this.#clear();
    this.#next = fetchedFrom;
    this.#position = undefined;
    this.#handedTo = 0;
  }

  /**
   * Takes in messages of one fetch, without those it has; `fetchedTo` is the offset after its last one, message or not,
   * `end` the one after the newest in the log.
   */
  take(messages: readonly Message[], fetchedTo: number, end: number): void {
    this.#end = end;
    this.#seeking = false;
    this.#outOfRange = false;
    const next = this.#next ?? 0;
    for (const message of messages) {
      if (message.offset < next) continue;
      this.#buffer.push(message);
      this.#bytes += message.value.length;
    }
    this.#next = Math.max(next, fetchedTo);
  }

  hand(max: number): Message[] {
    const messages = this.#buffer.slice(this.#head, this.#head + max);
    const first = messages[0];
    const last = messages.at(-1);
    if (first === undefined || last === undefined) return messages;
    this.#head += messages.length;
    if (this.#head * 2 > this.#buffer.length) {
      this.#buffer.splice(0, this.#head);
      this.#head = 0;
    }
    for (const { value } of messages) this.#bytes -= value.length;
    this.#position ??= first.offset;
    this.#handedTo = last.offset + 1;
    return messages;
  }

  /** Fencing: only what was handed out since the last rewind can be committed, and only forward. */
  mayCommit(nextOffset: number): boolean {
    return this.#position !== undefined && nextOffset > this.#position && nextOffset <= this.#handedTo;
  }

  committed(nextOffset: number): void {
    if (this.mayCommit(nextOffset)) this.#position = nextOffset;
  }

  outOfRange(): void {
    this.#outOfRange = true;
  }

  /** @returns where to seek to, or undefined where nothing was handed out that is not committed. */
  rewind(): number | undefined {
    const position = this.#position;
    if (position === undefined || position === this.#handedTo) return undefined;
    this.#clear();
    this.#handedTo = position;
    this.#next = position;
    this.#seeking = true;
    return position;
  }

  /** The fetching begins anew where it was. @returns where to seek to */
  reseek(): number | undefined {
    if (this.#next !== undefined) this.#seeking = true;
    return this.#next;
  }

  #clear(): void {
    this.#buffer.length = 0;
    this.#head = 0;
    this.#bytes = 0;
  }
}
