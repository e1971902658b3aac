/** What the sink over a partitioned log holds in memory, and its bound: one block's worth over all partitions. */
import type { Message } from './ports.ts';
import { blockBytesMax, blockRowsMax, type NamedEntry } from './sinkBlock.ts';

export interface Gathered {
  readonly message: Message;
  /** Undefined: unreadable. */
  readonly entry: NamedEntry | undefined;
  readonly bytes: number;
}

/** Messages that were polled and are in no block yet, by partition; the partition that waits longest comes first. */
export class Gathering {
  readonly #partitions = new Map<number, Gathered[]>();
  #rows = 0;
  #bytes = 0;

  get full(): boolean {
    return this.#rows >= blockRowsMax || this.#bytes >= blockBytesMax;
  }

  get first(): number | undefined {
    return this.#partitions.keys().next().value;
  }

  add(messages: readonly Gathered[]): void {
    const first = messages[0];
    if (first === undefined) return;
    const { partition, offset } = first.message;
    const before = this.#partitions.get(partition)?.at(-1);
    // The partition was lost and came back, or was rewound: what is committed says where it goes on.
    if (before !== undefined && before.message.offset >= offset) this.take(partition, Number.POSITIVE_INFINITY);
    const kept = this.#partitions.get(partition);
    if (kept === undefined) this.#partitions.set(partition, [...messages]);
    else kept.push(...messages);
    this.#count(messages, 1);
  }

  of(partition: number): readonly Gathered[] {
    return this.#partitions.get(partition) ?? [];
  }

  /** Removes and answers the partition's messages up to `lastOffset`; what is left of it waits behind the others. */
  take(partition: number, lastOffset: number): readonly Gathered[] {
    const all = this.#partitions.get(partition) ?? [];
    const cut = all.findIndex(({ message }) => message.offset > lastOffset);
    const taken = cut < 0 ? all : all.slice(0, cut);
    this.#partitions.delete(partition);
    if (cut >= 0) this.#partitions.set(partition, all.slice(cut));
    this.#count(taken, -1);
    return taken;
  }

  #count(messages: readonly Gathered[], sign: 1 | -1): void {
    this.#rows += sign * messages.length;
    for (const { bytes } of messages) this.#bytes += sign * bytes;
  }
}
