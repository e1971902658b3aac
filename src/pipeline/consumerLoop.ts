/**
 * One member of a consumer group at work: again and again, after a pause where it failed, until it is stopped. When its
 * membership dies it joins anew, a bounded number of times in a row.
 */
import { SubscriptionDead } from './logErrors.ts';
import type { Subscription } from './ports.ts';
import { Revivals } from './revivals.ts';
import { Wait } from './wait.ts';

export interface ConsumerLoopOptions {
  readonly subscribe: () => Promise<Subscription>;
  /** One round. After a rejection the next one comes after the pause; what was not committed has to be rewound by then. */
  readonly work: (subscription: Subscription) => Promise<void>;
  readonly retryPauseMs: number;
  /** It goes on by itself. */
  readonly onFailure: (error: unknown) => void;
  /** It has ended and will not go on: only a new start helps. */
  readonly onDead: (error: SubscriptionDead) => void;
}

export class ConsumerLoop {
  readonly #options: ConsumerLoopOptions;
  readonly #revivals = new Revivals();
  #stopping = false;
  readonly #wait = new Wait();
  #subscription: Subscription | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: ConsumerLoopOptions) {
    this.#options = options;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Finishes the round and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wait.end();
    await this.#loop;
  }

  /** Messages after the committed positions; 0 while the log has not been reached. */
  async lag(): Promise<number> {
    return (await this.#subscription?.lag()) ?? 0;
  }

  /** What was asked for, or nothing when the loop is stopped meanwhile: what comes after that belongs to the next start. */
  polled<T>(asked: Promise<readonly T[]>): Promise<readonly T[]> {
    return this.#wait.polled(asked);
  }

  async #run(): Promise<void> {
    const { work, onFailure, onDead } = this.#options;
    while (!this.#stopping) {
      try {
        await work((this.#subscription ??= await this.#join()));
      } catch (error) {
        if (!(error instanceof SubscriptionDead)) {
          onFailure(error);
          await this.#pause(this.#options.retryPauseMs);
          continue;
        }
        const pauseMs = this.#revivals.next(error);
        if (pauseMs === undefined) {
          onDead(error);
          break;
        }
        onFailure(error);
        await this.#leave();
        await this.#pause(pauseMs);
      }
    }
    await this.#leave();
  }

  async #join(): Promise<Subscription> {
    const subscription = await this.#options.subscribe();
    this.#revivals.born();
    return subscription;
  }

  /** Its positions are durable or nobody's: leaving can fail without harm. */
  async #leave(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await subscription?.close().catch(this.#options.onFailure);
  }

  #pause(ms: number): Promise<void> {
    return this.#stopping ? Promise.resolve() : this.#wait.pause(ms);
  }
}
