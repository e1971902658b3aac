/** Kafka by kafkajs. */
import type { Admin, Kafka, Producer } from 'kafkajs';
import type { TopicMessages } from './batcher.ts';
import { kafkaBounds } from './bounds.ts';
import { createClient } from './client.ts';
import type { Ends, GroupMember, KafkaClient, MemberEvents } from './clientPort.ts';
import { ClusterQuestions } from './clusterQuestions.ts';
import { KafkajsMember } from './kafkajsMember.ts';
import type { ClientLog, KafkaConnection } from './options.ts';
import { createKeyPartitioner } from './partitioner.ts';

const acksOfAllReplicas = -1;

export class KafkajsClient implements KafkaClient {
  readonly #connection: KafkaConnection;
  readonly #onLog: ClientLog;
  readonly #producer: Producer;
  readonly #cluster: ClusterQuestions;
  #connected: Promise<void> | undefined;

  constructor(connection: KafkaConnection, onLog: ClientLog) {
    this.#connection = connection;
    this.#onLog = onLog;
    const client: Kafka = createClient(connection, onLog);
    this.#producer = client.producer({ allowAutoTopicCreation: false, createPartitioner: createKeyPartitioner });
    this.#cluster = new ClusterQuestions(client);
  }

  async send(batch: readonly TopicMessages[]): Promise<void> {
    await this.#connect();
    await this.#producer.sendBatch({
      acks: acksOfAllReplicas,
      timeout: kafkaBounds.requestMsMax,
      topicMessages: batch.map(({ topic, messages }) => ({
        topic,
        messages: messages.map(({ key, value }) => ({ key, value: asBuffer(value) })),
      })),
    });
  }

  async createTopics(partitions: ReadonlyMap<string, number>): Promise<void> {
    const names = [...partitions.keys()];
    await this.#cluster.ask(async (admin) => {
      const there = new Set(await admin.listTopics());
      const absent = names.filter((topic) => !there.has(topic));
      if (absent.length === 0) return;
      const made = absent.map((topic) => ({ topic, numPartitions: partitions.get(topic) as number }));
      await admin.createTopics({ waitForLeaders: false, topics: made });
      await untilLed(admin, absent);
    });
    // The client's wait for leaders ends before they lead. A send to such a partition fails, is repeated with what it held
    // for others, and those have it twice.
    await this.#cluster.ask((admin) => Promise.all(names.map((topic) => admin.fetchTopicOffsets(topic))));
  }

  async ends(topicName: string): Promise<ReadonlyMap<number, Ends>> {
    const offsets = await this.#cluster.ask((admin) => admin.fetchTopicOffsets(topicName));
    return new Map(offsets.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]));
  }

  async positions(groupId: string, topicName: string): Promise<ReadonlyMap<number, number>> {
    const [positions] = await this.#cluster.ask((admin) => admin.fetchOffsets({ groupId, topics: [topicName] }));
    const held = (positions?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)] as const);
    return new Map(held.filter(([, offset]) => offset >= 0));
  }

  async deleteGroup(groupName: string): Promise<void> {
    await this.#cluster.ask((admin) => admin.deleteGroups([groupName])).catch(() => {});
  }

  async ping(): Promise<void> {
    await this.#cluster.ask((admin) => admin.describeCluster());
  }

  member(groupName: string, topicName: string, events: MemberEvents): GroupMember {
    return new KafkajsMember(
      (onLog) => createClient(this.#connection, onLog),
      groupName,
      topicName,
      events,
      this.#onLog,
    );
  }

  async close(): Promise<void> {
    // Nothing is on its way any more; a connection that cannot be closed properly is cut when the process ends.
    await this.#producer.disconnect().catch(() => {});
    await this.#cluster.close();
  }

  #connect(): Promise<void> {
    return (this.#connected ??= this.#producer.connect().catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    }));
  }
}

/**
 * A topic that was just made is not known to every broker at once, nor does its leader lead at once; kafkajs' own waiting asks for
 * neither. Sends that come too early are repeated, which doubles those of their messages that went to a partition that was ready.
 */
async function untilLed(admin: Admin, names: readonly string[]): Promise<void> {
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
