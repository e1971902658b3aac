/** Topics over the journal's database: messages in chunks, decisions as the journal has them. One partition each. */
import type { Commit, DecisionStore, EventLog, Message, Subscription, Topic } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import type { JournalClient } from './journalClient.ts';
import type { LogMessage } from './logChunk.ts';
import { planChunks, writeChunk } from './logChunk.ts';
import type { AppendTail, CommitTail } from './protocol.ts';
import { chunkHeadBytes, messageType } from './protocol.ts';
import type { JournalReader } from './reader.ts';
import type { SubscribedLog } from './subscription.ts';
import { SqliteSubscription } from './subscription.ts';

export class SqliteEventLog implements EventLog {
  /** The decisions are in the same database. */
  readonly atomicWith: DecisionStore;
  readonly #journal: JournalClient;
  readonly #reader: JournalReader;
  readonly #close: () => Promise<void>;
  readonly #waiting = new Map<Topic, Set<() => void>>();
  /** The members of all groups; of those of one group and topic the first holds the partition. */
  readonly #members: SqliteSubscription[] = [];

  constructor(journal: JournalClient, reader: JournalReader, atomicWith: DecisionStore, close: () => Promise<void>) {
    this.#journal = journal;
    this.#reader = reader;
    this.atomicWith = atomicWith;
    this.#close = close;
  }

  async append(topic: Topic, messages: readonly LogMessage[]): Promise<void> {
    if (topic === topics.decisions) throw new TypeError('decisions reach their topic by being recorded');
    if (messages.length === 0) return;
    const plans = planChunks(messages);
    await this.#journal.send({
      type: messageType.append,
      count: plans.length,
      bodyBytes: plans.reduce((sum, { bytes }) => sum + bytes, plans.length * chunkHeadBytes),
      write(data, view, offset) {
        let at = offset + plans.length * chunkHeadBytes;
        plans.forEach((plan, i) => {
          view.setUint32(offset + i * chunkHeadBytes, plan.to - plan.from, true);
          view.setUint32(offset + i * chunkHeadBytes + 4, plan.bytes, true);
          writeChunk(messages, plan, data, at);
          at += plan.bytes;
        });
      },
      tail: { topic } satisfies AppendTail,
    });
    this.appended(topic);
  }

  async subscribe(group: string, topic: Topic): Promise<Subscription> {
    const log: SubscribedLog = {
      reader: this.#reader,
      commit: (commits) => this.#commit(commits),
      wait: (waitedFor, timeoutMs) => this.#wait(waitedFor, timeoutMs),
      isOwner: (one) => this.#members.find((other) => other.group === group && other.topic === topic) === one,
      leave: (one) => this.#leave(one),
    };
    const member = new SqliteSubscription(log, group, topic);
    this.#members.push(member);
    return member;
  }

  async *read(topic: Topic): AsyncGenerator<readonly Message[]> {
    yield* this.#reader.pages(topic);
  }

  /** Closes the whole directory: topics and decisions are one database. */
  close(): Promise<void> {
    return this.#close();
  }

  /** Messages of the topic became durable. */
  appended(topic: Topic): void {
    for (const wake of this.#waiting.get(topic) ?? []) wake();
  }

  /** Nobody waits any more. */
  closeMembers(): void {
    for (const member of [...this.#members]) void member.close();
  }

  async #commit(commits: readonly Commit[]): Promise<void> {
    if (commits.length === 0) return;
    const tail = { commits } satisfies CommitTail;
    await this.#journal.send({ type: messageType.commit, count: 0, bodyBytes: 0, write: () => {}, tail });
  }

  #leave(member: SqliteSubscription): void {
    const index = this.#members.indexOf(member);
    if (index < 0) return;
    this.#members.splice(index, 1);
    this.appended(member.topic);
  }

  #wait(topic: Topic, timeoutMs: number): Promise<void> {
    let waiting = this.#waiting.get(topic);
    if (waiting === undefined) this.#waiting.set(topic, (waiting = new Set()));
    const waiters = waiting;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      waiters.add(done);
    });
  }
}
