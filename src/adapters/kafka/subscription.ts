/**
 * One member of a consumer group by kafkajs. Fetches go into bounded buffers, one a partition, that polls are served from; a
 * partition whose buffer is full is paused. A partition that stays with this member over a rebalance goes on where it is, without
 * a break: kafkajs knows the eager protocol only and no static membership, so this is what cooperation there is.
 */
import type { Batch, Consumer, ConsumerCrashEvent, ConsumerGroupJoinEvent, EachBatchPayload, Kafka } from 'kafkajs';
import { LogUnavailable, SubscriptionDead } from '../../pipeline/logErrors.ts';
import type { Commit, Message, Subscription, Topic } from '../../pipeline/ports.ts';
import { kafkaBounds } from './bounds.ts';
import { unavailable } from './client.ts';
import { Commits } from './commits.ts';
import { HeldPartition } from './partition.ts';
import { StallWatch } from './stallWatch.ts';

export interface SubscriptionOptions {
  readonly client: Kafka;
  readonly group: string;
  readonly topic: Topic;
  /** Their names in Kafka. */
  readonly groupName: string;
  readonly topicName: string;
  /** By partition, messages after the group's positions. */
  readonly lag: () => Promise<ReadonlyMap<number, number>>;
  /** Messages were deleted before they were read: `from` was to come next, `to` is the oldest that is left. */
  readonly onOffsetOutOfRange: (partition: number, from: number | undefined, to: number) => void;
  readonly stallMsMax: number;
}

/** kafkajs keeps it, and its types do not say so. */
const fetchedFrom = (batch: Batch): number =>
  Number((batch as Batch & { readonly fetchedOffset: string }).fetchedOffset);

function messageOf(partition: number, message: Batch['messages'][number]): Message {
  const value = message.value ?? Buffer.alloc(0);
  return { partition, offset: Number(message.offset), key: message.key?.toString() ?? '', value };
}

const none: ReadonlySet<number> = new Set();

export class KafkaSubscription implements Subscription {
  readonly #options: SubscriptionOptions;
  readonly #consumer: Consumer;
  readonly #held = new Map<number, HeldPartition>();
  readonly #commits: Commits;
  readonly #watch: StallWatch;
  #memberId = '';
  #confirmed = 0;
  #turn = 0;
  #wake: () => void = () => {};
  #dead: SubscriptionDead | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#consumer = options.client.consumer({
      groupId: options.groupName,
      sessionTimeout: kafkaBounds.sessionMs,
      rebalanceTimeout: kafkaBounds.rebalanceMs,
      heartbeatInterval: kafkaBounds.heartbeatMs,
      maxWaitTimeInMs: kafkaBounds.fetchWaitMs,
      maxBytes: kafkaBounds.fetchBytesMax,
      maxBytesPerPartition: kafkaBounds.fetchPartitionBytesMax,
      allowAutoTopicCreation: false,
    });
    this.#commits = new Commits({
      send: (offsets) => this.#sendCommit(offsets),
      valid: (partition, nextOffset) => this.#held.get(partition)?.mayCommit(nextOffset) ?? false,
      done: (partition, nextOffset) => this.#held.get(partition)?.committed(nextOffset),
      commitMsMax: kafkaBounds.commitMsMax,
    });
    this.#watch = new StallWatch(options.stallMsMax, () =>
      this.#die(
        `the consumer of ${options.topicName} has neither fetched nor tried to connect for ${options.stallMsMax} ms`,
      ),
    );
    this.#listen();
  }

  /** Joins the group. @throws LogUnavailable */
  async start(): Promise<void> {
    const { topicName } = this.#options;
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topics: [topicName], fromBeginning: true });
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 1,
        eachBatch: (payload) => this.#take(payload),
      });
    } catch (error) {
      await this.close();
      throw unavailable(`cannot subscribe to ${topicName}`, error);
    }
  }

  async poll(max: number, waitMs: number, skip = none): Promise<readonly Message[]> {
    const untilMs = performance.now() + waitMs;
    for (let leftMs = waitMs; ; leftMs = untilMs - performance.now()) {
      if (this.#dead !== undefined) throw this.#dead;
      const messages = this.#hand(max, skip);
      if (messages.length > 0 || leftMs <= 0) return messages;
      await this.#wait(leftMs);
      if (this.#closing !== undefined) return [];
    }
  }

  async commit(commits: readonly Commit[]): Promise<void> {
    const { group, topic, topicName } = this.#options;
    let any = false;
    for (const { group: of, topic: on, partition, nextOffset } of commits) {
      if (of !== group || on !== topic || this.#held.get(partition)?.mayCommit(nextOffset) !== true) continue;
      this.#commits.commit(partition, nextOffset);
      any = true;
    }
    if (!any) return;
    try {
      await this.#commits.flush();
    } catch (error) {
      // Trying again with this membership would fail for ever.
      if (error instanceof SubscriptionDead) throw error;
      throw unavailable(`the position of ${group} in ${topicName} is not known to be durable`, error);
    }
  }

  rewind(): void {
    for (const held of this.#held.values()) {
      this.#seek(held, held.rewind());
      this.#pauseOrResume(held);
    }
  }

  async lag(): Promise<number> {
    return [...(await this.#options.lag()).values()].reduce((sum, messages) => sum + messages, 0);
  }

  behind(): ReadonlySet<number> {
    const behind = new Set<number>();
    for (const held of this.#held.values()) if (held.behind) behind.add(held.partition);
    return behind;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** How far each held partition is taken in; nothing is left in the buffers when `poll` brings nothing. */
  progress(): ReadonlyMap<number, number> {
    return new Map([...this.#held].map(([partition, { next, size }]) => [partition, size === 0 ? (next ?? 0) : 0]));
  }

  /** kafkajs resets to the oldest offset by itself, and says so in its log only. */
  outOfRange(partition: number): void {
    this.#held.get(partition)?.outOfRange();
  }

  async #close(): Promise<void> {
    this.#watch.stop();
    this.#commits.end(new LogUnavailable('the subscription is closed'));
    this.#dead ??= new SubscriptionDead('the subscription is closed');
    this.#wake();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, kafkaBounds.closeMsMax);
    // A group that cannot be left times out: leaving is a courtesy to the other members.
    await Promise.race([this.#consumer.disconnect().catch(() => {}), late]);
    clearTimeout(timer);
    this.#held.clear();
  }

  #listen(): void {
    const { events } = this.#consumer;
    const alive = (): void => this.#watch.alive();
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
      this.#joined(event.payload.memberId, event.payload.memberAssignment[this.#options.topicName] ?? []);
    });
    this.#consumer.on(events.CRASH, ({ payload }: ConsumerCrashEvent) => {
      alive();
      if (payload.restart) return;
      this.#die(
        `the consumer of ${this.#options.topicName} has stopped: ${payload.error.name}: ${payload.error.message}`,
      );
    });
    // Batches without any message are not handed to `eachBatch`, and move the position all the same.
    this.#consumer.on(events.START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0)
        this.#held.get(payload.partition)?.take([], Number(payload.lastOffset) + 1, Number(payload.highWatermark));
    });
  }

  #joined(memberId: string, partitions: readonly number[]): void {
    // Another identity: whoever held the partitions meanwhile may have gone on from them.
    if (memberId !== this.#memberId) this.#held.clear();
    this.#memberId = memberId;
    for (const partition of this.#held.keys()) if (!partitions.includes(partition)) this.#held.delete(partition);
    for (const partition of partitions) {
      const held = this.#held.get(partition);
      if (held === undefined) {
        const fresh = new HeldPartition(partition);
        this.#held.set(partition, fresh);
        this.#resume(fresh);
      } else this.#seek(held, held.reseek());
    }
    this.#commits.joined();
    void this.#findCaughtUp();
  }

  /** A partition without anything to read never shows up in a fetch. */
  async #findCaughtUp(): Promise<void> {
    // Not known is not caught up: the others then wait for a fetch of it, for as long as a reader does wait.
    const lag = await this.#options.lag().catch(() => new Map<number, number>());
    for (const [partition, messages] of lag) if (messages === 0) this.#held.get(partition)?.caughtUp();
    this.#wake();
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const held = this.#held.get(batch.partition);
    if (held === undefined || this.#closing !== undefined || !payload.isRunning() || payload.isStale()) return;
    const from = fetchedFrom(batch);
    const verdict = held.accepts(from);
    if (verdict === 'stale') {
      this.#seek(held, held.reseek());
      return;
    }
    if (verdict === 'restarted') {
      this.#options.onOffsetOutOfRange(batch.partition, held.next, from);
      held.restart(from);
    }
    const messages = batch.messages.map((message) => messageOf(batch.partition, message));
    held.take(messages, Number(batch.lastOffset()) + 1, Number(batch.highWatermark));
    const last = batch.messages.at(-1);
    if (last !== undefined) payload.resolveOffset(last.offset);
    this.#pauseOrResume(held);
    this.#wake();
  }

  /** Partitions take turns, so that a full one does not hold back the others. */
  #hand(max: number, skip: ReadonlySet<number>): Message[] {
    const held = [...this.#held.values()];
    for (let i = 0; i < held.length; i++) {
      const one = held[(this.#turn + i) % held.length] as HeldPartition;
      if (one.size === 0 || skip.has(one.partition)) continue;
      this.#turn = (this.#turn + i + 1) % held.length;
      const messages = one.hand(max);
      this.#pauseOrResume(one);
      return messages;
    }
    return [];
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #pauseOrResume(held: HeldPartition): void {
    const { bufferMessagesMax, bufferBytesMax, bufferResumeShare } = kafkaBounds;
    const fill = Math.max(held.size / bufferMessagesMax, held.bytes / bufferBytesMax);
    if (!held.paused && fill >= 1) {
      held.paused = true;
      this.#whenRunning(() => this.#consumer.pause(this.#partitions(held)));
    } else if (held.paused && fill <= bufferResumeShare) this.#resume(held);
  }

  #resume(held: HeldPartition): void {
    held.paused = false;
    this.#whenRunning(() => this.#consumer.resume(this.#partitions(held)));
  }

  #partitions({ partition }: HeldPartition): { topic: string; partitions: number[] }[] {
    return [{ topic: this.#options.topicName, partitions: [partition] }];
  }

  #seek({ partition }: HeldPartition, offset: number | undefined): void {
    if (offset === undefined) return;
    const { topicName } = this.#options;
    this.#whenRunning(() => this.#consumer.seek({ topic: topicName, partition, offset: String(offset) }));
  }

  /** Between a crash and the restart there is nothing to steer: the partitions begin anew from their committed positions. */
  #whenRunning(steer: () => void): void {
    try {
      steer();
    } catch {
      this.#held.clear();
    }
  }

  /** kafkajs resolves a commit silently when it is not running: only its event tells that it was made. */
  async #sendCommit(offsets: readonly (readonly [number, number])[]): Promise<boolean> {
    const { topicName: topic } = this.#options;
    const before = this.#confirmed;
    await this.#consumer.commitOffsets(
      offsets.map(([partition, nextOffset]) => ({ topic, partition, offset: String(nextOffset) })),
    );
    return this.#confirmed > before;
  }

  #die(reason: string): void {
    if (this.#dead !== undefined) return;
    this.#watch.stop();
    this.#dead = new SubscriptionDead(reason);
    this.#commits.end(this.#dead);
    this.#wake();
  }
}
