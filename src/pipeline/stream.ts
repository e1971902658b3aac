/** Consumes the payments topic: every message ends as a durable decision or as a dead letter, then its offset moves. */
import { Payment } from '../domain/payment.ts';
import type { Refusal } from '../domain/refusal.ts';
import { bounds } from './bounds.ts';
import type { Clock } from './clock.ts';
import { ConsumerLoop } from './consumerLoop.ts';
import { deadLetterMessage } from './deadletter.ts';
import { InStepReader } from './inStep.ts';
import { Item } from './item.ts';
import type { SubscriptionDead } from './logErrors.ts';
import type { Pipeline } from './pipeline.ts';
import { Positions } from './positions.ts';
import type { Commit, DecisionStore, EventLog, Message, StepMarks, Subscription } from './ports.ts';
import { topics } from './ports.ts';

export const streamGroup = 'holdfast-stream';
/** Longest wait for new messages before the loop looks again. */
const idleWaitMs = 1000;
/** Pause after a failed batch, before the same messages are read again. */
const retryPauseMs = 250;
/** Pause before a commit of positions, for those that come meanwhile. */
const commitIntervalMs = 100;

export interface StreamOptions {
  readonly log: EventLog;
  /** The decisions of the pipeline. */
  readonly store: DecisionStore;
  readonly pipeline: Pipeline;
  readonly clock: Clock;
  readonly tenantId: string;
  /** Undefined where no other process reads the topic. */
  readonly marks?: StepMarks;
  /** The stream goes on by itself: it reads its last messages again. */
  readonly onFailure: (error: unknown) => void;
  /** The stream has ended and will not go on: only a new start helps. */
  readonly onDead: (error: SubscriptionDead) => void;
  readonly onDeadLetter: (code: string) => void;
}

/** A message as the stream works on it. */
interface Entry {
  readonly partition: number;
  /** Event time; where it cannot be read, that of the message before. */
  readonly timeMs: number;
  readonly message: Message;
  readonly decoded: Payment | Refusal;
}

export class StreamConsumer {
  readonly #options: StreamOptions;
  readonly #atomic: boolean;
  readonly #running = new Set<Promise<void>>();
  /** The newest batch has been counted: the next may be. */
  #enriched: Promise<unknown> = Promise.resolve();
  /** The decisions of the newest batch, and of all before it, are durable. */
  #decided: Promise<unknown> = Promise.resolve();
  /** By partition, for messages that tell no time. */
  readonly #lastTimeMs = new Map<number, number>();
  #failed: { readonly error: unknown } | undefined;
  #reader:
    | { readonly of: Subscription; readonly reader: InStepReader<Entry>; readonly positions: Positions }
    | undefined;
  readonly #loop: ConsumerLoop;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#atomic = options.log.atomicWith === options.store;
    this.#loop = new ConsumerLoop({
      subscribe: () => options.log.subscribe(streamGroup, topics.payments),
      work: (subscription) => this.#read(subscription),
      retryPauseMs,
      onFailure: options.onFailure,
      onDead: options.onDead,
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Finishes what is in flight and leaves the group. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Messages not yet decided; 0 while the log has not been reached. */
  lag(): Promise<number> {
    return this.#loop.lag();
  }

  /** Reads ahead while earlier batches become durable, until a batch fails or the stream is stopped; then nothing is in flight. */
  async #read(subscription: Subscription): Promise<void> {
    const { clock, marks } = this.#options;
    const entryOf = (message: Message): Entry => this.#entryOf(message);
    // What was read ahead by a membership that has ended belongs to nobody.
    if (this.#reader?.of !== subscription) {
      this.#reader = {
        of: subscription,
        reader: new InStepReader({ subscription, clock, marks, entryOf }),
        positions: new Positions(subscription, commitIntervalMs, (error) => this.#fail(error)),
      };
    }
    const { reader, positions } = this.#reader;
    try {
      while (!this.#loop.stopping && this.#failed === undefined) {
        const entries = await this.#loop.polled(reader.next(bounds.pollMessagesMax, idleWaitMs));
        if (entries.length > 0) await this.#take(positions, entries);
      }
    } finally {
      await Promise.allSettled(this.#running);
      await positions.flush();
      await this.#forgetFailure(subscription, reader);
    }
  }

  #entryOf(message: Message): Entry {
    const { partition } = message;
    const decoded = this.#options.pipeline.decode(message.value);
    const known = this.#lastTimeMs.get(partition) ?? this.#options.clock.nowMs();
    const timeMs = decoded instanceof Payment ? decoded.occurredAtMs : known;
    this.#lastTimeMs.set(partition, timeMs);
    return { partition, timeMs, message, decoded };
  }

  async #forgetFailure(subscription: Subscription, reader: InStepReader<Entry>): Promise<void> {
    const failed = this.#failed;
    if (failed === undefined) return;
    this.#failed = undefined;
    this.#enriched = Promise.resolve();
    this.#decided = Promise.resolve();
    reader.clear();
    subscription.rewind();
    throw failed.error;
  }

  /**
   * Starts on a batch; resolves when another may be read. Batches are counted one after another. Decisions of several may become
   * durable at a time, so that they share sends; a position does only after all decisions before it.
   */
  async #take(positions: Positions, entries: readonly Entry[]): Promise<void> {
    const before = this.#decided;
    const enriched = Promise.withResolvers<void>();
    const decided = this.#enriched
      .then(() => this.#decide(entries, before, enriched.resolve))
      .finally(enriched.resolve);
    this.#enriched = enriched.promise;
    const durable = decided.then((commits) => before.then(() => commits));
    this.#decided = durable;
    const tracked: Promise<void> = durable
      .then(
        (commits) => (this.#atomic ? undefined : positions.commit(commits)),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    if (this.#running.size >= bounds.streamBatchesMax) await Promise.race(this.#running);
  }

  /** The loop ends, and reads again from what is committed. */
  #fail(error: unknown): void {
    this.#failed ??= { error };
  }

  /** @returns the positions after the messages, when all their decisions are durable. */
  async #decide(
    entries: readonly Entry[],
    previous: Promise<unknown>,
    onEnriched: () => void,
  ): Promise<readonly Commit[]> {
    const { pipeline, clock, tenantId } = this.#options;
    const receivedAtMs = clock.monotonicMs();
    const items: Item[] = [];
    const origins: Message[] = [];
    const refused: { message: Message; code: string }[] = [];
    for (const { message, decoded } of entries) {
      if (decoded instanceof Payment) {
        items.push(new Item(tenantId, decoded, message.value, receivedAtMs, Number.POSITIVE_INFINITY));
        origins.push(message);
      } else refused.push({ message, code: decoded.code });
    }
    await this.#deadLetter(refused);
    const commits = commitsAfter(entries);
    const told = new Set<Item>();
    // Positions must not overtake decisions, nor the dead letters of conflicts.
    const conflicts = async (): Promise<void> => {
      const fresh = items.filter((item) => item.outcome?.kind === 'conflict' && !told.has(item));
      for (const item of fresh) told.add(item);
      const letters = fresh.map((item) => ({
        message: origins[items.indexOf(item)] as Message,
        code: 'payment_conflict',
      }));
      await this.#deadLetter(letters);
    };
    const before = async (): Promise<void> => {
      // Where positions become durable with the decisions, those of the batch before come first.
      if (this.#atomic) await previous;
      await conflicts();
    };
    await pipeline.decideStreamBatch(tenantId, items, this.#atomic ? commits : [], before, onEnriched);
    // Where there was nothing to record, nobody asked for it; where there was, another process may have been first.
    await before();
    return commits;
  }

  async #deadLetter(letters: readonly { message: Message; code: string }[]): Promise<void> {
    if (letters.length === 0) return;
    const { log, clock, onDeadLetter } = this.#options;
    const at = new Date(clock.nowMs()).toISOString();
    await log.append(
      topics.deadletter,
      letters.map(({ message, code }) => deadLetterMessage(topics.payments, message, code, at)),
    );
    for (const { code } of letters) onDeadLetter(code);
  }
}

function commitsAfter(entries: readonly Entry[]): readonly Commit[] {
  const next = new Map<number, number>();
  for (const { message } of entries) next.set(message.partition, message.offset + 1);
  return [...next].map(([partition, nextOffset]) => ({
    group: streamGroup,
    topic: topics.payments,
    partition,
    nextOffset,
  }));
}
