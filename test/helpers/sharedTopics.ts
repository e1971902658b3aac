/** The decisions and labels topics of processes that decide at one time on one velocity state, in memory, as they are read again. */
import type { CompiledRelease } from '../../src/releases/compile.ts';
import { encodeDecisionMessage } from '../../src/pipeline/decisionMessage.ts';
import type { DecisionRecord, EventLog, Message, Topic } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';
import { Random } from '../../src/simulator/random.ts';
import { decidedPayments } from './decided.ts';

const partitions = 3;
/** A label is applied when everyone who decided has long done so, and is on its topic shortly before. */
const labelAfterMs = 1_000;

export class SharedTopics implements Pick<EventLog, 'read'> {
  readonly #messages = new Map<Topic, Message[][]>();
  /** So many of each partition's oldest messages are gone. */
  forgotten = 0;

  append(topic: Topic, key: number, value: Uint8Array, appendedAtMs: number): void {
    const all = this.#messages.get(topic) ?? Array.from({ length: partitions }, () => []);
    this.#messages.set(topic, all);
    const partition = key % partitions;
    const held = all[partition] as Message[];
    held.push({ partition, offset: held.length, key: String(key), value, appendedAtMs });
  }

  async *read(topic: Topic, newest = Number.POSITIVE_INFINITY): AsyncIterable<readonly Message[]> {
    for (const held of this.#messages.get(topic) ?? []) {
      yield await Promise.resolve(held.slice(this.forgotten).slice(-Math.ceil(newest / partitions)));
    }
  }
}

export interface SharedDecisions {
  readonly topics: SharedTopics;
  readonly records: readonly DecisionRecord[];
}

/**
 * Payments decided `atOnce` at a time, counted in any order of those; every third of them is labelled, and changed is a label
 * of some. @param change what becomes of a decision's message before it is on the topic
 */
export function sharedDecisions(
  release: CompiledRelease,
  { count, atOnce, seed }: { readonly count: number; readonly atOnce: number; readonly seed: number },
  change: (message: string, at: number) => string = (message) => message,
): SharedDecisions {
  const random = new Random(seed);
  const log = new SharedTopics();
  const shuffled = <T>(all: readonly T[]): readonly T[] =>
    all
      .map((one) => ({ one, place: random.fraction() }))
      .sort((a, b) => a.place - b.place)
      .map(({ one }) => one);
  const decidedAt: number[] = [];
  const records = decidedPayments(release, count, 'default', {
    batchRows: atOnce,
    inOrder: shuffled,
    onBatch({ memory, payments, decidedAtMs, number }) {
      for (const { payment, fraud } of payments) {
        decidedAt.push(decidedAtMs);
        if (random.below(3) > 0) continue;
        const atMs = decidedAtMs + labelAfterMs;
        const label = { paymentId: payment.paymentId, source: 'analyst', labelledAt: new Date(atMs).toISOString() };
        for (const said of random.below(5) === 0 ? [!fraud, fraud] : [fraud]) {
          memory.markLabel('default', { payment, fraud: said }, number);
          const text = JSON.stringify({ ...label, label: said ? 'fraud' : 'legitimate' });
          log.append(topics.labels, number, Buffer.from(text), atMs);
        }
      }
    },
  }).map(({ record }) => record);
  records.forEach((record, i) => {
    const message = Buffer.from(encodeDecisionMessage(record, release.features.names)).toString();
    log.append(topics.decisions, i, Buffer.from(change(message, i)), decidedAt[i] ?? 0);
  });
  return { topics: log, records };
}
