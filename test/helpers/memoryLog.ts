/** An event log in memory with many partitions, for tests of what is built on the port: one member a group. */
import type { SubscriptionDead } from '../../src/pipeline/logErrors.ts';
import type { Commit, EventLog, Message, Subscription, Topic } from '../../src/pipeline/ports.ts';

export class MemoryLog implements EventLog {
  readonly #partitions: number;
  readonly #topics = new Map<Topic, Message[][]>();
  /** Next offset by `group/topic/partition`. */
  readonly positions = new Map<string, number>();
  /** Called before a commit takes effect. */
  onCommit: (commit: Commit) => void | Promise<void> = () => {};
  /** Every poll from now on fails with it. */
  dead: SubscriptionDead | undefined;
  #wake: () => void = () => {};

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  async append(topic: Topic, messages: readonly { key: string; value: Uint8Array }[]): Promise<void> {
    const lists = this.#listsOf(topic);
    for (const { key, value } of messages) {
      const partition = Buffer.from(key).reduce((sum, byte) => sum + byte, 0) % this.#partitions;
      const list = lists[partition] as Message[];
      list.push({ partition, offset: list.length, key, value });
    }
    this.#wake();
  }

  async subscribe(group: string, topic: Topic): Promise<Subscription> {
    const lists = this.#listsOf(topic);
    const keyOf = (partition: number): string => `${group}/${topic}/${partition}`;
    const committed = (partition: number): number => this.positions.get(keyOf(partition)) ?? 0;
    const next = lists.map((_, partition) => committed(partition));
    let turn = 0;
    const hand = (max: number, skip: ReadonlySet<number>): readonly Message[] => {
      for (let i = 0; i < lists.length; i++) {
        const partition = turn++ % lists.length;
        const from = next[partition] as number;
        if (skip.has(partition)) continue;
        const messages = (lists[partition] as Message[]).slice(from, from + max);
        next[partition] = from + messages.length;
        if (messages.length > 0) return messages;
      }
      return [];
    };
    return {
      poll: async (max, waitMs, skip = new Set()) => {
        if (this.dead !== undefined) throw this.dead;
        const messages = hand(max, skip);
        if (messages.length > 0 || waitMs <= 0) return messages;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, waitMs);
          this.#wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        return hand(max, skip);
      },
      behind() {
        const partitions = lists.flatMap((list, partition) =>
          list.length > (next[partition] as number) ? [partition] : [],
        );
        return new Set(lists.length > 1 ? partitions : []);
      },
      commit: async (commits) => {
        for (const commit of commits) {
          await this.onCommit(commit);
          const { partition, nextOffset } = commit;
          if (nextOffset > committed(partition)) this.positions.set(keyOf(partition), nextOffset);
        }
      },
      rewind: () => {
        for (const partition of next.keys()) next[partition] = committed(partition);
      },
      lag: async () => lists.reduce((sum, list, partition) => sum + list.length - committed(partition), 0),
      close: async () => this.#wake(),
    };
  }

  async *read(topic: Topic): AsyncGenerator<readonly Message[]> {
    yield* this.#listsOf(topic).map((list) => [...list]);
  }

  async close(): Promise<void> {
    this.#wake();
  }

  #listsOf(topic: Topic): Message[][] {
    let lists = this.#topics.get(topic);
    if (lists === undefined) this.#topics.set(topic, (lists = Array.from({ length: this.#partitions }, () => [])));
    return lists;
  }
}
