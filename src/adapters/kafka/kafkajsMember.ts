/** One member of a consumer group by kafkajs, which knows the eager protocol only and no static membership. */
import type { Batch, Consumer, ConsumerCrashEvent, ConsumerGroupJoinEvent, EachBatchPayload, Kafka } from 'kafkajs';
import type { Message } from '../../pipeline/ports.ts';
import { kafkaBounds } from './bounds.ts';
import type { GroupMember, MemberEvents, Offsets } from './clientPort.ts';
import type { ClientLog } from './options.ts';

/** kafkajs keeps it, and its types do not say so. */
const fetchedFrom = (batch: Batch): number =>
  Number((batch as Batch & { readonly fetchedOffset: string }).fetchedOffset);

/** What kafkajs says when it goes back to the oldest offset; a test holds it to that. */
const outOfRangeMessage = 'Offset out of range, resetting to default offset';

function messageOf(partition: number, message: Batch['messages'][number]): Message {
  const value = message.value ?? Buffer.alloc(0);
  const appendedAtMs = Number(message.timestamp);
  return { partition, offset: Number(message.offset), key: message.key?.toString() ?? '', value, appendedAtMs };
}

export class KafkajsMember implements GroupMember {
  readonly #topicName: string;
  readonly #events: MemberEvents;
  readonly #consumer: Consumer;
  #confirmed = 0;

  /** @param connect makes a client whose log goes there: it resets to the oldest offset by itself, and says so in its log only */
  constructor(
    connect: (onLog: ClientLog) => Kafka,
    groupId: string,
    topicName: string,
    events: MemberEvents,
    onLog: ClientLog,
  ) {
    this.#topicName = topicName;
    this.#events = events;
    const client = connect((severity, message, fields) => {
      if (message === outOfRangeMessage) events.outOfRange(Number(fields['partition']));
      onLog(severity, message, fields);
    });
    this.#consumer = client.consumer({
      groupId,
      sessionTimeout: kafkaBounds.sessionMs,
      rebalanceTimeout: kafkaBounds.rebalanceMs,
      heartbeatInterval: kafkaBounds.heartbeatMs,
      maxWaitTimeInMs: kafkaBounds.fetchWaitMs,
      maxBytes: kafkaBounds.fetchBytesMax,
      maxBytesPerPartition: kafkaBounds.fetchPartitionBytesMax,
      allowAutoTopicCreation: false,
    });
    this.#listen();
  }

  async start(): Promise<void> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [this.#topicName], fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: (payload) => this.#take(payload),
    });
  }

  pause(partition: number): boolean {
    return this.#steer(() => this.#consumer.pause(this.#partitions(partition)));
  }

  resume(partition: number): boolean {
    return this.#steer(() => this.#consumer.resume(this.#partitions(partition)));
  }

  seek(partition: number, offset: number): boolean {
    return this.#steer(() => this.#consumer.seek({ topic: this.#topicName, partition, offset: String(offset) }));
  }

  /** kafkajs resolves a commit silently when it is not running: only its event tells that it was made. */
  async commit(offsets: Offsets): Promise<boolean> {
    const topic = this.#topicName;
    const before = this.#confirmed;
    await this.#consumer.commitOffsets(
      offsets.map(([partition, nextOffset]) => ({ topic, partition, offset: String(nextOffset) })),
    );
    return this.#confirmed > before;
  }

  leave(): Promise<void> {
    return this.#consumer.disconnect();
  }

  #listen(): void {
    const { events } = this.#consumer;
    const alive = (): void => this.#events.alive();
    for (const name of [
      events.FETCH,
      events.HEARTBEAT,
      events.REBALANCING,
      events.REQUEST_TIMEOUT,
      events.CONNECT,
    ] as const) {
      this.#consumer.on(name, alive);
    }
    this.#consumer.on(events.COMMIT_OFFSETS, () => {
      this.#confirmed++;
    });
    this.#consumer.on(events.GROUP_JOIN, (event: ConsumerGroupJoinEvent) => {
      alive();
      this.#events.joined(event.payload.memberId, event.payload.memberAssignment[this.#topicName] ?? []);
    });
    this.#consumer.on(events.CRASH, ({ payload }: ConsumerCrashEvent) => {
      alive();
      if (payload.restart) return;
      this.#events.dead(
        `the consumer of ${this.#topicName} has stopped: ${payload.error.name}: ${payload.error.message}`,
      );
    });
    // Batches without any message are not handed to `eachBatch`, and move the position all the same.
    this.#consumer.on(events.START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize !== 0) return;
      const to = Number(payload.lastOffset) + 1;
      const end = Number(payload.highWatermark);
      this.#events.fetched({ partition: payload.partition, from: undefined, to, end, messages: [] });
    });
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    if (!payload.isRunning() || payload.isStale()) return;
    const taken = this.#events.fetched({
      partition: batch.partition,
      from: fetchedFrom(batch),
      to: Number(batch.lastOffset()) + 1,
      end: Number(batch.highWatermark),
      messages: batch.messages.map((message) => messageOf(batch.partition, message)),
    });
    const last = batch.messages.at(-1);
    if (taken && last !== undefined) payload.resolveOffset(last.offset);
  }

  #partitions(partition: number): { topic: string; partitions: number[] }[] {
    return [{ topic: this.#topicName, partitions: [partition] }];
  }

  /** Between a crash and the restart there is nothing to steer. */
  #steer(steer: () => void): boolean {
    try {
      steer();
      return true;
    } catch {
      return false;
    }
  }
}
