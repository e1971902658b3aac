/**
 * One member of a consumer group. Fetches go into bounded buffers, one a partition, that polls are served from; a partition whose
 * buffer is full is paused. A partition that stays with this member over a rebalance goes on where it is, without a break: both
 * clients give everything back when the group is shared out anew, so this is what cooperation there is.
 */
import { LogUnavailable, SubscriptionDead } from '../../pipeline/logErrors.ts';
import type { Commit, Message, Subscription, Topic } from '../../pipeline/ports.ts';
import { kafkaBounds } from './bounds.ts';
import type { Fetched, GroupMember, MemberEvents } from './clientPort.ts';
import { Commits } from './commits.ts';
import { unavailable } from './options.ts';
import { HeldPartition } from './partition.ts';
import { StallWatch } from './stallWatch.ts';

export interface SubscriptionOptions {
  readonly member: (events: MemberEvents) => GroupMember;
  readonly group: string;
  readonly topic: Topic;
  /** The topic's name in Kafka. */
  readonly topicName: string;
  /** By partition, messages after the group's positions. */
  readonly lag: () => Promise<ReadonlyMap<number, number>>;
  /** Messages were deleted before they were read: `from` was to come next, `to` is the oldest that is left. */
  readonly onOffsetOutOfRange: (partition: number, from: number | undefined, to: number) => void;
  readonly stallMsMax: number;
  /** Partitions of which this member begins elsewhere than the group. */
  readonly startAt?: ReadonlyMap<number, number>;
}

const none: ReadonlySet<number> = new Set();

export class KafkaSubscription implements Subscription {
  readonly #options: SubscriptionOptions;
  readonly #member: GroupMember;
  readonly #held = new Map<number, HeldPartition>();
  readonly #commits: Commits;
  readonly #watch: StallWatch;
  #memberId = '';
  #turn = 0;
  #wake: () => void = () => {};
  #dead: SubscriptionDead | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#commits = new Commits({
      send: (offsets) => this.#member.commit(offsets),
      valid: (partition, nextOffset) => this.#held.get(partition)?.mayCommit(nextOffset) ?? false,
      done: (partition, nextOffset) => this.#held.get(partition)?.committed(nextOffset),
      commitMsMax: kafkaBounds.commitMsMax,
    });
    this.#watch = new StallWatch(options.stallMsMax, () =>
      this.#die(
        `the consumer of ${options.topicName} has neither fetched nor tried to connect for ${options.stallMsMax} ms`,
      ),
    );
    this.#member = options.member({
      alive: () => this.#watch.alive(),
      joined: (memberId, partitions) => this.#joined(memberId, partitions),
      fetched: (of) => this.#take(of),
      outOfRange: (partition) => this.#held.get(partition)?.outOfRange(),
      dead: (reason, replaced) => this.#die(reason, replaced),
    });
  }

  /** Joins the group. @throws LogUnavailable */
  async start(): Promise<void> {
    const { topicName } = this.#options;
    try {
      await this.#member.start();
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

  async #close(): Promise<void> {
    this.#watch.stop();
    this.#commits.end(new LogUnavailable('the subscription is closed'));
    this.#dead ??= new SubscriptionDead('the subscription is closed');
    this.#wake();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, kafkaBounds.closeMsMax);
    // A group that cannot be left times out: leaving is a courtesy to the other members.
    await Promise.race([this.#member.leave().catch(() => {}), late]);
    clearTimeout(timer);
    this.#held.clear();
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
        const startAt = this.#options.startAt?.get(partition);
        if (startAt !== undefined) fresh.restart(startAt);
        this.#seek(fresh, fresh.reseek());
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

  #take({ partition, from, to, end, messages }: Fetched): boolean {
    const held = this.#held.get(partition);
    if (held === undefined || this.#closing !== undefined) return false;
    const verdict = from === undefined ? 'yes' : held.accepts(from);
    if (verdict === 'stale') {
      this.#seek(held, held.reseek());
      return false;
    }
    if (verdict === 'restarted' && from !== undefined) {
      this.#options.onOffsetOutOfRange(partition, held.next, from);
      held.restart(from);
    }
    held.take(messages, to, end);
    this.#pauseOrResume(held);
    this.#wake();
    return true;
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
      this.#steered(this.#member.pause(held.partition));
    } else if (held.paused && fill <= bufferResumeShare) this.#resume(held);
  }

  #resume(held: HeldPartition): void {
    held.paused = false;
    this.#steered(this.#member.resume(held.partition));
  }

  #seek({ partition }: HeldPartition, offset: number | undefined): void {
    if (offset !== undefined) this.#steered(this.#member.seek(partition, offset));
  }

  /** Between a crash and the restart there is nothing to steer: the partitions begin anew from their committed positions. */
  #steered(done: boolean): void {
    if (!done) this.#held.clear();
  }

  #die(reason: string, replaced = false): void {
    if (this.#dead !== undefined) return;
    this.#watch.stop();
    this.#dead = new SubscriptionDead(reason, { replaced });
    this.#commits.end(this.#dead);
    this.#wake();
  }
}
