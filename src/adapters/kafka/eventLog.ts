/** Topics in Kafka, by kafkajs. */
import { randomUUID } from 'node:crypto';
import type { Admin, Kafka, Producer } from 'kafkajs';
import type { EventLog, Message, Topic } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import type { OutMessage, TopicMessages } from './batcher.ts';
import { SendBatcher } from './batcher.ts';
import { kafkaBounds } from './bounds.ts';
import type { ClientLog, KafkaConnection } from './client.ts';
import { createClient, unavailable } from './client.ts';
import { ClusterQuestions } from './clusterQuestions.ts';
import { createKeyPartitioner } from './partitioner.ts';
import { KafkaSubscription } from './subscription.ts';

export interface KafkaLogOptions {
  readonly connection: KafkaConnection;
  /** Before the names of topics and groups: several installations on one cluster. */
  readonly prefix?: string;
  /** Partitions of topics that are made because they are not there; false makes none. */
  readonly createTopics?: Readonly<Partial<Record<Topic, number>>> | false;
  readonly onLog?: ClientLog;
  /** Messages were deleted before they were read: `from` was to come next, `to` is the oldest that is left. */
  readonly onOffsetOutOfRange?: (topic: Topic, partition: number, from: number | undefined, to: number) => void;
  /** @see kafkaBounds.stallMsMax */
  readonly stallMsMax?: number;
}

const partitionsDefault: Readonly<Record<Topic, number>> = {
  [topics.payments]: 4,
  [topics.decisions]: 4,
  [topics.labels]: 4,
  [topics.deadletter]: 1,
};
/** What kafkajs says when it goes back to the oldest offset; a test holds it to that. */
const outOfRangeMessage = 'Offset out of range, resetting to default offset';
const readMessagesMax = 1000;
const acksOfAllReplicas = -1;

export class KafkaEventLog implements EventLog {
  readonly #options: KafkaLogOptions;
  readonly #client: Kafka;
  readonly #producer: Producer;
  readonly #batcher: SendBatcher;
  readonly #cluster: ClusterQuestions;
  readonly #subscriptions = new Set<KafkaSubscription>();
  #connected: Promise<void> | undefined;
  #prepared: Promise<void> | undefined;

  constructor(options: KafkaLogOptions) {
    this.#options = options;
    this.#client = createClient(options.connection, options.onLog ?? (() => {}));
    this.#producer = this.#client.producer({
      allowAutoTopicCreation: false,
      createPartitioner: createKeyPartitioner,
    });
    this.#cluster = new ClusterQuestions(this.#client);
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
    await this.#prepare();
    const topicName = this.#nameOf(topic);
    const groupName = this.#nameOf(group);
    const { connection, onLog, onOffsetOutOfRange, stallMsMax = kafkaBounds.stallMsMax } = this.#options;
    const client = createClient(connection, (severity, message, fields) => {
      if (message === outOfRangeMessage) subscription.outOfRange(Number(fields['partition']));
      onLog?.(severity, message, fields);
    });
    const subscription = new KafkaSubscription({
      client,
      group,
      topic,
      groupName,
      topicName,
      stallMsMax,
      lag: () => this.#lagOf(groupName, topicName),
      onOffsetOutOfRange: (partition, from, to) => onOffsetOutOfRange?.(topic, partition, from, to),
    });
    await subscription.start();
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async *read(topic: Topic): AsyncGenerator<readonly Message[]> {
    const ends = await this.#ends(topic);
    if (ends.size === 0) return;
    const group = `read-${randomUUID()}`;
    const subscription = await this.subscribe(group, topic);
    try {
      const isDone = (): boolean => {
        const progress = subscription.progress();
        return [...ends].every(([partition, end]) => (progress.get(partition) ?? 0) >= end);
      };
      while (!isDone()) {
        const page = await subscription.poll(readMessagesMax, kafkaBounds.fetchWaitMs);
        const wanted = page.filter(({ partition, offset }) => offset < (ends.get(partition) ?? 0));
        if (wanted.length > 0) yield wanted;
      }
    } finally {
      this.#subscriptions.delete(subscription);
      await subscription.close();
      // A group without members and positions vanishes by itself, only later.
      await this.#cluster.ask((admin) => admin.deleteGroups([this.#nameOf(group)])).catch(() => {});
    }
  }

  /** Resolves when the cluster answers and the topics are there. @throws LogUnavailable */
  async ping(): Promise<void> {
    await this.#prepare();
    await this.#cluster.ask((admin) => admin.describeCluster());
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#batcher.close();
    // Nothing is on its way any more; a connection that cannot be closed properly is cut when the process ends.
    await this.#producer.disconnect().catch(() => {});
    await this.#cluster.close();
  }

  #nameOf(name: string): string {
    return (this.#options.prefix ?? '') + name;
  }

  async #send(batch: readonly TopicMessages[]): Promise<void> {
    try {
      await this.#prepare();
      await this.#connect();
      await this.#producer.sendBatch({
        acks: acksOfAllReplicas,
        timeout: kafkaBounds.requestMsMax,
        topicMessages: batch.map(({ topic, messages }) => ({
          topic,
          messages: messages.map(({ key, value }) => ({ key, value: asBuffer(value) })),
        })),
      });
    } catch (error) {
      throw unavailable('messages are not known to be durable', error);
    }
  }

  #connect(): Promise<void> {
    return (this.#connected ??= this.#producer.connect().catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    }));
  }

  /** Makes missing topics, once. */
  #prepare(): Promise<void> {
    const { createTopics = partitionsDefault } = this.#options;
    if (createTopics === false) return Promise.resolve();
    return (this.#prepared ??= this.#createTopics({ ...partitionsDefault, ...createTopics }).catch((error: unknown) => {
      this.#prepared = undefined;
      throw unavailable('the topics cannot be prepared', error);
    }));
  }

  async #createTopics(partitions: Readonly<Record<Topic, number>>): Promise<void> {
    await this.#cluster.ask(async (admin) => {
      const there = new Set(await admin.listTopics());
      const absent = Object.values(topics).filter((topic) => !there.has(this.#nameOf(topic)));
      if (absent.length === 0) return;
      const made = absent.map((topic) => ({ topic: this.#nameOf(topic), numPartitions: partitions[topic] }));
      await admin.createTopics({ waitForLeaders: false, topics: made });
      await untilLed(
        admin,
        made.map(({ topic }) => topic),
      );
    });
    // The client's wait for leaders ends before they lead. A send to such a partition fails, is repeated with what it held
    // for others, and those have it twice.
    await this.#cluster.ask((admin) =>
      Promise.all(Object.values(topics).map((topic) => admin.fetchTopicOffsets(this.#nameOf(topic)))),
    );
  }

  /** The offset after the newest message of each partition that has one. */
  async #ends(topic: Topic): Promise<Map<number, number>> {
    await this.#prepare();
    const offsets = await this.#cluster.ask((admin) => admin.fetchTopicOffsets(this.#nameOf(topic)));
    const held = offsets.filter(({ low, high }) => Number(high) > Number(low));
    return new Map(held.map(({ partition, high }) => [partition, Number(high)]));
  }

  /** By partition, messages after the group's positions. */
  async #lagOf(groupName: string, topicName: string): Promise<ReadonlyMap<number, number>> {
    return this.#cluster.ask(async (admin) => {
      const ends = await admin.fetchTopicOffsets(topicName);
      const [positions] = await admin.fetchOffsets({ groupId: groupName, topics: [topicName] });
      const next = new Map(positions?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      return new Map(
        ends.map(({ partition, low, high }) => [
          partition,
          Math.max(0, Number(high) - Math.max(Number(low), next.get(partition) ?? 0)),
        ]),
      );
    });
  }
}

/**
 * A topic that was just made is not known to every broker at once, nor does its leader lead at once; kafkajs' own waiting asks for
 * neither. Sends that come too early are repeated, which doubles those of their messages that went to a partition that was ready.
 */
async function untilLed(admin: Admin, names: string[]): Promise<void> {
  const untilMs = performance.now() + kafkaBounds.appendMsMax;
  for (;;) {
    const failure = await Promise.all(names.map((name) => admin.fetchTopicOffsets(name))).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (failure === undefined) return;
    if (performance.now() > untilMs) throw failure.error;
    await new Promise((resolve) => setTimeout(resolve, kafkaBounds.retryPauseMs));
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
