/** The embedded journal: decisions, topics and positions in one durable place, changed in one step each; as src/adapters/sqlite. */
import type { Label } from '../../../src/domain/label.ts';
import { decodeRecord, encodeRecordBytes } from '../../../src/pipeline/codec.ts';
import { LogUnavailable, SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import type {
  Commit,
  DecisionRecord,
  DecisionStore,
  EventLog,
  Message,
  RecordOutcome,
  Subscription,
  Topic,
} from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { call, type CallFaults, Lane } from './calls.ts';
import type { Actor } from './world.ts';

const writeMs = 3;
const writeSlowMs = 150;
const labelText = (label: Label): string => JSON.stringify(label);

/** What survives the process. */
export class SimJournal {
  readonly topics = new Map<Topic, Message[]>();
  readonly decisions = new Map<string, Uint8Array>();
  readonly positions = new Map<string, number>();
  readonly labels: Label[] = [];
  /** Who has the directory: what an earlier process had not written by then is not written. */
  #owner: Actor | undefined;
  #wake: () => void = () => {};

  of(topic: Topic): Message[] {
    let list = this.topics.get(topic);
    if (list === undefined) this.topics.set(topic, (list = []));
    return list;
  }

  put(topic: Topic, messages: readonly { readonly key: string; readonly value: Uint8Array }[]): void {
    const list = this.of(topic);
    for (const { key, value } of messages)
      list.push({ partition: 0, offset: list.length, key, value: Uint8Array.from(value) });
    this.#wake();
  }

  position(group: string, topic: Topic): number {
    return this.positions.get(`${group}/${topic}`) ?? 0;
  }

  moveTo({ group, topic, nextOffset }: Commit): void {
    this.positions.set(`${group}/${topic}`, Math.max(nextOffset, this.position(group, topic)));
  }

  recordOf(paymentId: string): DecisionRecord | undefined {
    const bytes = this.decisions.get(paymentId);
    return bytes === undefined ? undefined : decodeRecord(bytes);
  }

  /** @param faults of the disk: what is refused has not happened */
  open(actor: Actor, faults: CallFaults): { readonly log: EventLog; readonly store: DecisionStore } {
    this.#owner = actor;
    const lane = new Lane();
    const waiting = new Set<() => void>();
    this.#wake = () => {
      for (const wake of [...waiting]) actor.world.after(0.1, wake, actor);
    };
    const write = <T>(what: string, effect: () => T): Promise<T> =>
      call({
        actor,
        what: `journal ${what}`,
        faults,
        latencyMs: writeMs,
        slowMs: writeSlowMs,
        timeoutMs: Number.POSITIVE_INFINITY,
        lane,
        effect: () => {
          if (this.#owner !== actor) throw new LogUnavailable('the process is gone');
          return effect();
        },
        failure: (why) => new LogUnavailable(`simulated: ${why}`),
      });
    const store = this.#store(actor, write);
    return { store, log: this.#log(store, write, waiting) };
  }

  #store(actor: Actor, write: <T>(what: string, effect: () => T) => Promise<T>): DecisionStore {
    return {
      lookup: (_tenantId, ids) => Promise.resolve(ids.map((id) => this.recordOf(id))),
      record: (records, deadlinesMs, _batch, commits) => {
        const rows = records.map((record) => ({ record, bytes: encodeRecordBytes(record) }));
        return write(`record ${records.map(({ paymentId }) => paymentId).join(',')}`, () => {
          const outcomes = rows.map(({ record, bytes }, i): RecordOutcome => {
            const winner = this.recordOf(record.paymentId);
            if (winner !== undefined) return { status: 'existing', winner };
            if (actor.monotonicMs() > deadlinesMs[i]!) return { status: 'expired', winner: undefined };
            this.decisions.set(record.paymentId, bytes);
            this.put(topics.decisions, [{ key: record.paymentId, value: bytes }]);
            return { status: 'recorded', winner: decodeRecord(bytes) };
          });
          for (const commit of commits) this.moveTo(commit);
          return outcomes;
        });
      },
      recordLabels: (_tenantId, labels) =>
        write('labels', () =>
          labels.map((label) => {
            const isNew = !this.labels.some((each) => labelText(each) === labelText(label));
            if (isNew) this.labels.push(label);
            return isNew;
          }),
        ),
      labelsOf: (_tenantId, paymentId) => Promise.resolve(this.labels.filter((label) => label.paymentId === paymentId)),
    };
  }

  #log(
    atomicWith: DecisionStore,
    write: <T>(what: string, effect: () => T) => Promise<T>,
    waiting: Set<() => void>,
  ): EventLog {
    return {
      atomicWith,
      append: (topic, messages) => {
        const own = messages.map(({ key, value }) => ({ key, value: Uint8Array.from(value) }));
        return write(`append ${topic} ${own.map(({ key }) => key).join(',')}`, () => this.put(topic, own));
      },
      subscribe: (group, topic) => Promise.resolve(this.#subscribe(group, topic, write, waiting)),
      read: async function* (this: SimJournal, topic: Topic) {
        yield await Promise.resolve([...this.of(topic)]);
      }.bind(this),
      close: () => Promise.resolve(),
    };
  }

  /** One member a group: there is one process. */
  #subscribe(
    group: string,
    topic: Topic,
    write: <T>(what: string, effect: () => T) => Promise<T>,
    waiting: Set<() => void>,
  ): Subscription {
    let next: number | undefined;
    let polledFrom = Number.POSITIVE_INFINITY;
    let closed = false;
    const wait = (ms: number): Promise<void> =>
      new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        waiting.add(done);
      });
    const take = (max: number): readonly Message[] => {
      const from = next ?? this.position(group, topic);
      const messages = this.of(topic).slice(from, from + max);
      if (messages.length === 0) return messages;
      polledFrom = Math.min(polledFrom, from);
      next = from + messages.length;
      return messages;
    };
    return {
      poll: async (max, waitMs) => {
        const untilMs = performance.now() + waitMs;
        for (;;) {
          if (closed) throw new SubscriptionDead('the subscription is closed');
          const messages = take(max);
          const leftMs = untilMs - performance.now();
          if (messages.length > 0 || leftMs <= 0) return messages;
          await wait(leftMs);
        }
      },
      behind: () => new Set(),
      commit: async (commits) => {
        const valid = commits.filter(({ nextOffset }) => nextOffset > polledFrom);
        if (valid.length > 0)
          await write(`commit ${group}`, () => {
            for (const commit of valid) this.moveTo(commit);
          });
      },
      rewind: () => {
        next = undefined;
        polledFrom = Number.POSITIVE_INFINITY;
      },
      lag: () => Promise.resolve(this.of(topic).length - this.position(group, topic)),
      close: () => {
        closed = true;
        for (const wake of [...waiting]) wake();
        return Promise.resolve();
      },
    };
  }
}
