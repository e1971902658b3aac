/**
 * Forwards a topic of one log to another, in order: the journal's decisions to Kafka. Its position moves after the messages are
 * durable there, so a crash in between sends some again (readers tell them by their payment id) and loses none.
 */
import { SubscriptionDead } from './logErrors.ts';
import type { EventLog, Message, Subscription, Topic } from './ports.ts';
import { Wait } from './wait.ts';

export const outboxGroup = 'holdfast-outbox';
/** Messages of one append. */
const batchMessagesMax = 1000;
const idleWaitMs = 1000;
const retryPauseMsMin = 250;
const retryPauseMsMax = 5_000;

export interface OutboxOptions {
  readonly from: EventLog;
  readonly to: EventLog;
  readonly topic: Topic;
  /** Topic at the other log; the same where absent. */
  readonly toTopic?: Topic;
  /** What is sent instead of a message's value; undefined leaves the message out. */
  readonly translate?: (message: Message) => Uint8Array | undefined;
  /** The outbox goes on by itself: it sends the same messages again. */
  readonly onFailure: (error: unknown) => void;
}

export interface Outbox {
  /** Messages not yet forwarded. */
  lag(): Promise<number>;
  /** Why the last attempt failed, or undefined while it works. */
  readonly failure: unknown;
  /** Finishes the batch that is on its way. */
  stop(): Promise<void>;
}

class RunningOutbox implements Outbox {
  readonly #options: OutboxOptions;
  readonly #loop: Promise<void>;
  #subscription: Subscription | undefined;
  #stopping = false;
  readonly #wait = new Wait();
  failure: unknown = undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  async lag(): Promise<number> {
    return (await this.#subscription?.lag()) ?? 0;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wait.end();
    await this.#loop;
  }

  async #run(): Promise<void> {
    let pauseMs = retryPauseMsMin;
    while (!this.#stopping) {
      try {
        await this.#forward();
        pauseMs = retryPauseMsMin;
        this.failure = undefined;
      } catch (error) {
        this.failure = error;
        this.#options.onFailure(error);
        await this.#startAgain(error);
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, retryPauseMsMax);
      }
    }
    await this.#subscription?.close().catch((error: unknown) => this.#options.onFailure(error));
  }

  async #forward(): Promise<void> {
    const { from, to, topic, toTopic = topic, translate } = this.#options;
    const subscription = (this.#subscription ??= await from.subscribe(outboxGroup, topic));
    const messages = await this.#wait.polled(subscription.poll(batchMessagesMax, idleWaitMs));
    const last = messages.at(-1);
    if (last === undefined) return;
    const translated = messages.flatMap((message) => {
      const value = translate === undefined ? message.value : translate(message);
      return value === undefined ? [] : [{ key: message.key, value }];
    });
    await to.append(toTopic, translated);
    const { partition, offset } = last;
    await subscription.commit([{ group: outboxGroup, topic, partition, nextOffset: offset + 1 }]);
  }

  /** The next attempt reads what was not committed again. */
  async #startAgain(error: unknown): Promise<void> {
    try {
      if (!(error instanceof SubscriptionDead)) {
        this.#subscription?.rewind();
        return;
      }
      await this.#subscription?.close();
      this.#subscription = undefined;
    } catch (second) {
      this.#options.onFailure(second);
    }
  }

  #pause(ms: number): Promise<void> {
    return this.#stopping ? Promise.resolve() : this.#wait.pause(ms);
  }
}

export const startOutbox = (options: OutboxOptions): Outbox => new RunningOutbox(options);
