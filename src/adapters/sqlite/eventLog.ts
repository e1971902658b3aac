/** Topics over the journal's database: messages in chunks, decisions as the journal has them. */
import type { Commit, EventLog, Message, Topic } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import type { JournalClient } from './journalClient.ts';
import type { LogMessage } from './logChunk.ts';
import { planChunks, writeChunk } from './logChunk.ts';
import type { AppendTail, CommitTail } from './protocol.ts';
import { chunkHeadBytes, messageType } from './protocol.ts';
import type { JournalReader } from './reader.ts';

interface TopicState {
  appends: number;
  /** `appends` when a poll last found nothing. */
  emptyAt: number;
  readonly waiting: Set<() => void>;
}

export class SqliteEventLog implements EventLog {
  readonly #journal: JournalClient;
  readonly #reader: JournalReader;
  readonly #close: () => Promise<void>;
  readonly #topics = new Map<Topic, TopicState>();

  constructor(journal: JournalClient, reader: JournalReader, close: () => Promise<void>) {
    this.#journal = journal;
    this.#reader = reader;
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

  poll(group: string, topic: Topic, max: number, fromOffset?: number): Promise<readonly Message[]> {
    const state = this.#state(topic);
    const { appends } = state;
    const messages = this.#reader.messages(topic, fromOffset ?? this.#reader.position(group, topic), max);
    if (messages.length === 0) state.emptyAt = appends;
    return Promise.resolve(messages);
  }

  async commit(commits: readonly Commit[]): Promise<void> {
    if (commits.length === 0) return;
    const tail = { commits } satisfies CommitTail;
    await this.#journal.send({ type: messageType.commit, count: 0, bodyBytes: 0, write: () => {}, tail });
  }

  lag(group: string, topic: Topic): Promise<number> {
    return Promise.resolve(this.#reader.messagesFrom(topic, this.#reader.position(group, topic)));
  }

  /** An append between an empty poll and this call counts too: the caller must not sleep over it. */
  wait(topic: Topic, timeoutMs: number): Promise<void> {
    const state = this.#state(topic);
    if (state.appends !== state.emptyAt) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        state.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      state.waiting.add(done);
    });
  }

  /** Closes the whole directory: topics and decisions are one database. */
  close(): Promise<void> {
    return this.#close();
  }

  /** Messages of the topic became durable. */
  appended(topic: Topic): void {
    const state = this.#state(topic);
    state.appends++;
    for (const wake of state.waiting) wake();
  }

  /** Nobody waits any more. */
  wakeAll(): void {
    for (const { waiting } of this.#topics.values()) for (const wake of waiting) wake();
  }

  #state(topic: Topic): TopicState {
    let state = this.#topics.get(topic);
    if (state === undefined) {
      state = { appends: 0, emptyAt: 0, waiting: new Set() };
      this.#topics.set(topic, state);
    }
    return state;
  }
}
