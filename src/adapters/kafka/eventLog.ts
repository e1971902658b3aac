/** Topics in Kafka. */
import { randomUUID } from 'node:crypto';
import type { EventLog, Message, Topic } from '../../pipeline/ports.ts';
import { LogUnavailable } from '../../pipeline/logErrors.ts';
import { topics } from '../../pipeline/ports.ts';
import type { OutMessage, TopicMessages } from './batcher.ts';
import { SendBatcher } from './batcher.ts';
import { kafkaBounds } from './bounds.ts';
import type { KafkaClient } from './clientPort.ts';
import { openClient } from './clients.ts';
import type { KafkaLogOptions } from './options.ts';
import { unavailable } from './options.ts';
import { KafkaSubscription } from './subscription.ts';

const partitionsDefault: Readonly<Record<Topic, number>> = {
  [topics.payments]: 4,
  [topics.decisions]: 4,
  [topics.labels]: 4,
  [topics.deadletter]: 1,
};
const readMessagesMax = 1000;

export class KafkaEventLog implements EventLog {
  readonly #options: KafkaLogOptions;
  #client: Promise<KafkaClient> | undefined;
  readonly #batcher: SendBatcher;
  readonly #subscriptions = new Set<KafkaSubscription>();
  #prepared: Promise<void> | undefined;

  constructor(options: KafkaLogOptions) {
    this.#options = options;
    const { sendBytesMax, sendMessagesMax, messageBytesMax, queueBytesMax, appendMsMax } = kafkaBounds;
    const send = (batch: readonly TopicMessages[]): Promise<void> => this.#send(batch);
    this.#batcher = new SendBatcher({
      send,
      sendBytesMax,
      sendMessagesMax,
      messageBytesMax,
      queueBytesMax,
      appendMsMax,
    });
  }

  /** Bytes appended and not yet acknowledged. */
  get queuedBytes(): number {
    return this.#batcher.queuedBytes;
  }

  async append(topic: Topic, messages: readonly OutMessage[]): Promise<void> {
    await this.#batcher.append(this.#nameOf(topic), messages);
  }

  async subscribe(group: string, topic: Topic): Promise<KafkaSubscription> {
    return this.#subscribe(group, topic, { instanceId: this.#options.groupInstanceId });
  }

  async #subscribe(
    group: string,
    topic: Topic,
    {
      instanceId,
      startAt,
    }: { readonly instanceId?: string | undefined; readonly startAt?: ReadonlyMap<number, number> },
  ): Promise<KafkaSubscription> {
    await this.#prepare();
    const client = await this.#open();
    const topicName = this.#nameOf(topic);
    const groupName = this.#nameOf(group);
    const { onOffsetOutOfRange, stallMsMax = kafkaBounds.stallMsMax } = this.#options;
    const subscription = new KafkaSubscription({
      member: (events) => client.member(groupName, topicName, events, instanceId),
      group,
      topic,
      topicName,
      stallMsMax,
      ...(startAt === undefined ? {} : { startAt }),
      lag: () => this.#lagOf(groupName, topicName),
      onOffsetOutOfRange: (partition, from, to) => onOffsetOutOfRange?.(topic, partition, from, to),
    });
    await subscription.start();
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async *read(topic: Topic, newest = Number.POSITIVE_INFINITY): AsyncGenerator<readonly Message[]> {
    const spans = await this.#spans(topic);
    if (spans.size === 0) return;
    const ends = new Map([...spans].map(([partition, { end }]) => [partition, end]));
    const each = Math.ceil(newest / spans.size);
    const cut = [...spans].filter(([, { first, end }]) => end - first > each);
    const startAt = new Map(cut.map(([partition, { end }]) => [partition, end - each]));
    const group = `read-${randomUUID()}`;
    // Nobody goes on where a reader stops: never a static member, whose group could not be deleted yet.
    const subscription = await this.#subscribe(group, topic, { startAt });
    try {
      const isDone = (): boolean => {
        const progress = subscription.progress();
        return [...ends].every(([partition, end]) => (progress.get(partition) ?? 0) >= end);
      };
      // A member that has to begin anew, as after a broken connection, brings again what it has brought.
      const next = new Map(startAt);
      let progressMs = performance.now();
      while (!isDone()) {
        const page = await subscription.poll(readMessagesMax, kafkaBounds.fetchWaitMs);
        const wanted = page.filter(
          ({ partition, offset }) => offset < (ends.get(partition) ?? 0) && offset >= (next.get(partition) ?? 0),
        );
        for (const { partition, offset } of wanted) next.set(partition, offset + 1);
        if (wanted.length > 0) yield wanted;
        // Asked after the yield: how long the taker takes is no sign of the cluster.
        if (page.length > 0) progressMs = performance.now();
        else if (performance.now() - progressMs > kafkaBounds.readStallMsMax)
          throw new LogUnavailable(`${this.#nameOf(topic)} cannot be read to its end`);
      }
    } finally {
      this.#subscriptions.delete(subscription);
      await subscription.close();
      // A group without members and positions vanishes by itself, only later.
      await (await this.#open()).deleteGroup(this.#nameOf(group));
    }
  }

  /** Resolves when the cluster answers and the topics are there. @throws LogUnavailable */
  async ping(): Promise<void> {
    await this.#prepare();
    await (await this.#open()).ping();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#batcher.close();
    await (await this.#client)?.close();
  }

  #nameOf(name: string): string {
    return (this.#options.prefix ?? '') + name;
  }

  async #send(batch: readonly TopicMessages[]): Promise<void> {
    try {
      await this.#prepare();
      await (await this.#open()).send(batch);
    } catch (error) {
      throw unavailable('messages are not known to be durable', error);
    }
  }

  /** Makes missing topics, once. */
  #prepare(): Promise<void> {
    const { createTopics = partitionsDefault } = this.#options;
    if (createTopics === false) return Promise.resolve();
    const named = Object.entries({ ...partitionsDefault, ...createTopics }).map(
      ([topic, partitions]) => [this.#nameOf(topic), partitions] as const,
    );
    return (this.#prepared ??= this.#createTopics(new Map(named)));
  }

  async #createTopics(partitions: ReadonlyMap<string, number>): Promise<void> {
    try {
      await (await this.#open()).createTopics(partitions);
    } catch (error) {
      this.#prepared = undefined;
      throw unavailable('the topics cannot be prepared', error);
    }
  }

  #open(): Promise<KafkaClient> {
    const { client = 'platformatic', connection, onLog = () => {} } = this.#options;
    return (this.#client ??= openClient(client, connection, onLog));
  }

  /** The offset of the oldest message and that after the newest, of each partition that has one. */
  async #spans(topic: Topic): Promise<Map<number, { readonly first: number; readonly end: number }>> {
    await this.#prepare();
    const ends = await (await this.#open()).ends(this.#nameOf(topic));
    const held = [...ends].filter(([, { low, high }]) => high > low);
    return new Map(held.map(([partition, { low, high }]) => [partition, { first: low, end: high }]));
  }

  /** By partition, messages after the group's positions. */
  async #lagOf(groupName: string, topicName: string): Promise<ReadonlyMap<number, number>> {
    const client = await this.#open();
    const ends = await client.ends(topicName);
    const positions = await client.positions(groupName, topicName);
    return new Map(
      [...ends].map(([partition, { low, high }]) => [
        partition,
        Math.max(0, high - Math.max(low, positions.get(partition) ?? 0)),
      ]),
    );
  }
}
