/** Membership in a consumer group of an embedded topic: one partition, held by the member that joined first. */
import { SubscriptionDead } from '../../pipeline/logErrors.ts';
import type { Commit, Message, Subscription, Topic } from '../../pipeline/ports.ts';
import type { JournalReader } from './reader.ts';

/** What a subscription needs of its log. */
export interface SubscribedLog {
  readonly reader: JournalReader;
  commit(commits: readonly Commit[]): Promise<void>;
  /** Resolves when something may have changed for the readers of the topic, or after `timeoutMs`. */
  wait(topic: Topic, timeoutMs: number): Promise<void>;
  isOwner(member: SqliteSubscription): boolean;
  leave(member: SqliteSubscription): void;
}

const nothing: ReadonlySet<number> = new Set();

export class SqliteSubscription implements Subscription {
  readonly group: string;
  readonly topic: Topic;
  readonly #log: SubscribedLog;
  /** The next offset to read; undefined: the committed one. */
  #next: number | undefined;
  /** Messages were handed out from here on and may be committed. */
  #polledFrom = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(log: SubscribedLog, group: string, topic: Topic) {
    this.#log = log;
    this.group = group;
    this.topic = topic;
  }

  async poll(max: number, waitMs: number, skip = nothing): Promise<readonly Message[]> {
    if (this.#closed) throw new SubscriptionDead('the subscription is closed');
    const untilMs = performance.now() + waitMs;
    for (let leftMs = waitMs; ; leftMs = untilMs - performance.now()) {
      const messages = this.#log.isOwner(this) && !skip.has(0) ? this.#read(max) : [];
      if (messages.length > 0 || leftMs <= 0) return messages;
      await this.#log.wait(this.topic, leftMs);
      if (this.#isOver()) return [];
    }
  }

  behind(): ReadonlySet<number> {
    return nothing;
  }

  async commit(commits: readonly Commit[]): Promise<void> {
    if (!this.#log.isOwner(this)) return;
    const position = this.#position();
    const valid = commits.filter(
      ({ group, topic, partition, nextOffset }) =>
        group === this.group &&
        topic === this.topic &&
        partition === 0 &&
        nextOffset > position &&
        nextOffset > this.#polledFrom,
    );
    await this.#log.commit(valid);
  }

  rewind(): void {
    this.#next = undefined;
    this.#polledFrom = Number.POSITIVE_INFINITY;
  }

  async lag(): Promise<number> {
    return this.#log.reader.messagesFrom(this.topic, this.#position());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#log.leave(this);
  }

  #isOver(): boolean {
    return this.#closed;
  }

  #position(): number {
    return this.#log.reader.position(this.group, this.topic);
  }

  #read(max: number): readonly Message[] {
    const messages = this.#log.reader.messages(this.topic, this.#next ?? this.#position(), max);
    const [first, last] = [messages[0], messages.at(-1)];
    if (first === undefined || last === undefined) return messages;
    this.#polledFrom = Math.min(this.#polledFrom, first.offset);
    this.#next = last.offset + 1;
    return messages;
  }
}
