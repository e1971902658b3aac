/**
 * Commits positions in the background, one request at a time and with a pause before each: a commit a batch would be hundreds a
 * second of a busy stream, each one a write of its own to the log's topic of positions. What a crash reads again for it is decided
 * already, and found so.
 */
import type { Commit, Subscription } from './ports.ts';
import { Wait } from './wait.ts';

export class Positions {
  readonly #subscription: Subscription;
  readonly #intervalMs: number;
  readonly #onFailure: (error: unknown) => void;
  readonly #wait = new Wait();
  /** By partition, the newest. */
  readonly #pending = new Map<number, Commit>();
  #committing: Promise<void> | undefined;
  #flushing = false;

  /** @param onFailure told of a commit that failed; the positions in it are forgotten */
  constructor(subscription: Subscription, intervalMs: number, onFailure: (error: unknown) => void) {
    this.#subscription = subscription;
    this.#intervalMs = intervalMs;
    this.#onFailure = onFailure;
  }

  /** Positions of one topic, whose messages and all before them are dealt with for good. */
  commit(commits: readonly Commit[]): void {
    for (const commit of commits) this.#pending.set(commit.partition, commit);
    if (this.#pending.size > 0) this.#committing ??= this.#commitAll();
  }

  /** Resolves when everything given so far is committed, or has failed; without the pause. */
  async flush(): Promise<void> {
    this.#flushing = true;
    this.#wait.end();
    await this.#committing;
    this.#flushing = false;
  }

  async #commitAll(): Promise<void> {
    while (this.#pending.size > 0) {
      if (!this.#flushing) await this.#wait.pause(this.#intervalMs);
      const commits = [...this.#pending.values()];
      this.#pending.clear();
      await this.#subscription.commit(commits).catch(this.#onFailure);
    }
    this.#committing = undefined;
  }
}
