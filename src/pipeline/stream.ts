/** Consumes the payments topic: every message ends as a durable decision or as a dead letter, then its offset moves. */
import { Payment } from '../domain/payment.ts';
import { bounds } from './bounds.ts';
import type { Clock } from './clock.ts';
import { deadLetterMessage } from './deadletter.ts';
import { Item } from './item.ts';
import { SubscriptionDead } from './logErrors.ts';
import type { Pipeline } from './pipeline.ts';
import type { Commit, DecisionStore, EventLog, Message, Subscription } from './ports.ts';
import { topics } from './ports.ts';

export const streamGroup = 'holdfast-stream';
/** Longest wait for new messages before the loop looks again. */
const idleWaitMs = 1000;
/** Pause after a failed batch, before the same messages are read again. */
const retryPauseMs = 250;

export interface StreamOptions {
  readonly log: EventLog;
  /** The decisions of the pipeline. */
  readonly store: DecisionStore;
  readonly pipeline: Pipeline;
  readonly clock: Clock;
  readonly tenantId: string;
  /** The stream goes on by itself: it reads its last messages again. */
  readonly onFailure: (error: unknown) => void;
  /** The stream has ended and will not go on: only a new start helps. */
  readonly onDead: (error: SubscriptionDead) => void;
  readonly onDeadLetter: (code: string) => void;
}

/** How far one partition is: its next batch follows on these. */
interface PartitionOrder {
  /** The newest batch has been counted: the next may be. */
  enriched: Promise<unknown>;
  /** The newest batch's decisions are durable: the next one's may become it. */
  decided: Promise<unknown>;
}

export class StreamConsumer {
  readonly #options: StreamOptions;
  readonly #atomic: boolean;
  readonly #running = new Set<Promise<void>>();
  #order = new Map<number, PartitionOrder>();
  #failed: { readonly error: unknown } | undefined;
  #stopping = false;
  /** Ends the wait that the loop is in. */
  #wake: () => void = () => {};
  #subscription: Subscription | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#atomic = options.log.atomicWith === options.store;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Finishes what is in flight and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    await this.#loop;
  }

  /** Messages not yet decided; 0 while the log has not been reached. */
  async lag(): Promise<number> {
    return (await this.#subscription?.lag()) ?? 0;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#read();
      } catch (error) {
        if (error instanceof SubscriptionDead) {
          this.#options.onDead(error);
          break;
        }
        this.#options.onFailure(error);
        await this.#pause();
      }
    }
    // Its positions are durable or nobody's: leaving can fail without harm.
    await this.#subscription?.close().catch((error: unknown) => this.#options.onFailure(error));
  }

  /** Reads ahead while earlier batches become durable, until a batch fails or the stream is stopped; then nothing is in flight. */
  async #read(): Promise<void> {
    const subscription = (this.#subscription ??= await this.#options.log.subscribe(streamGroup, topics.payments));
    try {
      while (!this.#stopping && this.#failed === undefined) {
        const messages = await this.#poll(subscription);
        if (messages.length > 0) await this.#take(subscription, messages);
      }
    } finally {
      await Promise.allSettled(this.#running);
      await this.#forgetFailure(subscription);
    }
  }

  /** What a poll brings after the stop belongs to the next start. */
  #poll(subscription: Subscription): Promise<readonly Message[]> {
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve([]);
      subscription.poll(bounds.pollMessagesMax, idleWaitMs).then(resolve, reject);
    });
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, retryPauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #forgetFailure(subscription: Subscription): Promise<void> {
    const failed = this.#failed;
    if (failed === undefined) return;
    this.#failed = undefined;
    this.#order = new Map();
    await subscription.rewind();
    throw failed.error;
  }

  /** Starts on a batch; resolves when another may be read. */
  async #take(subscription: Subscription, messages: readonly Message[]): Promise<void> {
    const { partition } = messages[0] as Message;
    const before = this.#order.get(partition) ?? { enriched: Promise.resolve(), decided: Promise.resolve() };
    const enriched = Promise.withResolvers<void>();
    const decided = before.enriched
      .then(() => this.#decide(messages, before.decided, enriched.resolve))
      .finally(enriched.resolve);
    this.#order.set(partition, { enriched: enriched.promise, decided });
    const committed = decided.then((commit) => (this.#atomic ? undefined : subscription.commit([commit])));
    const tracked: Promise<void> = committed
      .catch((error: unknown) => {
        this.#failed ??= { error };
      })
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    if (this.#running.size >= bounds.streamBatchesMax) await Promise.race(this.#running);
  }

  /** @returns the position after the messages, when all their decisions are durable. */
  async #decide(messages: readonly Message[], previous: Promise<unknown>, onEnriched: () => void): Promise<Commit> {
    const { pipeline, clock, tenantId } = this.#options;
    const receivedAtMs = clock.monotonicMs();
    const items: Item[] = [];
    const origins: Message[] = [];
    const refused: { message: Message; code: string }[] = [];
    for (const message of messages) {
      const decoded = pipeline.decode(message.value);
      if (decoded instanceof Payment) {
        items.push(new Item(tenantId, decoded, message.value, receivedAtMs, Number.POSITIVE_INFINITY));
        origins.push(message);
      } else refused.push({ message, code: decoded.code });
    }
    await this.#deadLetter(refused);
    const { partition, offset } = messages.at(-1) as Message;
    const commit: Commit = { group: streamGroup, topic: topics.payments, partition, nextOffset: offset + 1 };
    let prepared: Promise<void> | undefined;
    const prepare = (): Promise<void> => (prepared ??= this.#beforeRecord(items, origins, previous));
    await pipeline.decideStreamBatch(tenantId, items, this.#atomic ? [commit] : [], prepare, onEnriched);
    // Where there was nothing to record, nobody asked for it.
    await prepare();
    return commit;
  }

  /** Positions must not overtake decisions, nor the dead letters of conflicts. */
  async #beforeRecord(items: readonly Item[], origins: readonly Message[], previous: Promise<unknown>): Promise<void> {
    await previous;
    const conflicts = items.flatMap((item, i) =>
      item.outcome?.kind === 'conflict' ? [{ message: origins[i] as Message, code: 'payment_conflict' }] : [],
    );
    await this.#deadLetter(conflicts);
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
