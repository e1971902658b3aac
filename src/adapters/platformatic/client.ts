/** Kafka by @platformatic/kafka. */
import { Admin, findErrorBy, ListOffsetTimestamps, ProduceAcks, Producer } from '@platformatic/kafka';
import type { TopicMessages } from '../kafka/batcher.ts';
import { kafkaBounds } from '../kafka/bounds.ts';
import type { Ends, GroupMember, KafkaClient, MemberEvents } from '../kafka/clientPort.ts';
import type { ClientLog, KafkaConnection } from '../kafka/options.ts';
import { murmur2 } from '../kafka/partitioner.ts';
import { LogUnavailable } from '../../pipeline/logErrors.ts';
import { PlatformaticMember } from './member.ts';
import { repeated } from './retry.ts';
import { clientOptions, isRefusedLogin, reasonOf } from './settings.ts';

const positive = 0x7fffffff;

export class PlatformaticClient implements KafkaClient {
  readonly #connection: KafkaConnection;
  readonly #onLog: ClientLog;
  readonly #producer: Producer;
  readonly #admin: Admin;
  readonly #asking = new Set<Promise<unknown>>();
  #closed = false;

  constructor(connection: KafkaConnection, onLog: ClientLog) {
    this.#connection = connection;
    this.#onLog = onLog;
    const options = clientOptions(connection, kafkaBounds.requestMsMax);
    this.#producer = new Producer({
      ...options,
      acks: ProduceAcks.ALL,
      repeatOnStaleMetadata: false,
      // The remainder by the number of partitions is the client's.
      partitioner: (_, key) => (key === undefined ? 0 : murmur2(key) & positive),
    });
    this.#admin = new Admin(options);
  }

  async send(batch: readonly TopicMessages[]): Promise<void> {
    const messages = batch.flatMap(({ topic, messages: of }) =>
      of.map(({ key, value }) => ({ topic, key: Buffer.from(key), value: asBuffer(value) })),
    );
    await repeated(async () => {
      try {
        await this.#producer.send({ messages, acks: ProduceAcks.ALL });
      } catch (error) {
        // Whatever it was, the leaders may be others now.
        this.#producer.clearMetadata();
        throw error;
      }
    }).catch((error: unknown) => {
      throw new LogUnavailable(`messages are not known to be durable: ${reasonOf(error)}`, { cause: error });
    });
  }

  async createTopics(partitions: ReadonlyMap<string, number>): Promise<void> {
    const names = [...partitions.keys()];
    await this.#ask(async (admin) => {
      const there = new Set(await admin.listTopics());
      const absent = names.filter((topic) => !there.has(topic));
      if (absent.length === 0) return;
      const made = absent.map((topic) => ({ topic, partitions: partitions.get(topic) as number, replicas: -1 }));
      await admin.createTopics({ topics: made }).catch((error: unknown) => {
        const another = error instanceof Error && findErrorBy(error, 'apiId', 'TOPIC_ALREADY_EXISTS') !== null;
        if (!another) throw error;
      });
    });
    // What was just made is not known everywhere at once, nor led.
    for (const name of names) await this.ends(name);
  }

  async ends(topicName: string): Promise<ReadonlyMap<number, Ends>> {
    return this.#ask(async (admin) => {
      const { topics } = await admin.metadata({ topics: [topicName], forceUpdate: true });
      const count = topics.get(topicName)?.partitionsCount ?? 0;
      const at = async (timestamp: bigint): Promise<Map<number, number>> => {
        const partitions = Array.from({ length: count }, (_, partitionIndex) => ({ partitionIndex, timestamp }));
        const [listed] = await admin.listOffsets({ topics: [{ name: topicName, partitions }], isolationLevel: 1 });
        return new Map(listed?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, Number(offset)]));
      };
      const [low, high] = [await at(ListOffsetTimestamps.EARLIEST), await at(ListOffsetTimestamps.LATEST)];
      return new Map([...high].map(([partition, end]) => [partition, { low: low.get(partition) ?? 0, high: end }]));
    });
  }

  async positions(groupId: string, topicName: string): Promise<ReadonlyMap<number, number>> {
    return this.#ask(async (admin) => {
      const [group] = await admin.listConsumerGroupOffsets({ groups: [groupId] });
      const partitions = group?.topics.find(({ name }) => name === topicName)?.partitions ?? [];
      const held = partitions.map(
        ({ partitionIndex, committedOffset }) => [partitionIndex, Number(committedOffset)] as const,
      );
      return new Map(held.filter(([, offset]) => offset >= 0));
    });
  }

  async deleteGroup(groupName: string): Promise<void> {
    await this.#ask((admin) => admin.deleteGroups({ groups: [groupName] })).catch(() => {});
  }

  async ping(): Promise<void> {
    await this.#ask((admin) => admin.listTopics());
  }

  member(groupName: string, topicName: string, events: MemberEvents, instanceId: string | undefined): GroupMember {
    return new PlatformaticMember(this.#connection, { groupName, topicName, instanceId }, events, this.#onLog);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#asking);
    await Promise.allSettled([this.#producer.close(), this.#admin.close()]);
  }

  /** @throws LogUnavailable */
  async #ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    if (this.#closed) throw new LogUnavailable('the log is closed');
    const asking = repeated(
      () => question(this.#admin),
      (error) => !this.#closed && !isRefusedLogin(error),
    );
    this.#asking.add(asking);
    try {
      return await asking;
    } catch (error) {
      throw new LogUnavailable(`Kafka does not answer: ${reasonOf(error)}`, { cause: error });
    } finally {
      this.#asking.delete(asking);
    }
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
