/** Topics in plain memory, for tests of what appends to them; no consumer groups. */
import { encodeRecordBytes } from '../../src/pipeline/codec.ts';
import type { DecisionRecord, EventLog, Message, Topic } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';

export class MemoryTopics implements EventLog {
  readonly #messages = new Map<Topic, Message[]>();

  append(topic: Topic, messages: readonly { key: string; value: Uint8Array }[]): Promise<void> {
    const known = this.#messages.get(topic) ?? [];
    for (const { key, value } of messages) known.push({ partition: 0, offset: known.length, key, value });
    this.#messages.set(topic, known);
    return Promise.resolve();
  }

  appendDecisions(records: readonly DecisionRecord[]): Promise<void> {
    return this.append(
      topics.decisions,
      records.map((record) => ({ key: record.paymentId, value: encodeRecordBytes(record) })),
    );
  }

  subscribe(): Promise<never> {
    return Promise.reject(new Error('these topics have no consumer groups'));
  }

  async *read(topic: Topic): AsyncIterable<readonly Message[]> {
    yield await Promise.resolve(this.#messages.get(topic) ?? []);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
