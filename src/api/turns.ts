/**
 * Long work in short slices. All of it together gets at most about `sliceMs` of each turn of the event loop, so that whatever
 * else there is to do, above all single payments, has its turn in between.
 */

/** Does a little of a piece of work; true when all of it is done. */
export type Step = () => boolean;

interface Task {
  readonly step: Step;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Turns {
  readonly #sliceMs: number;
  readonly #monotonicMs: () => number;
  #tasks: Task[] = [];
  #scheduled = false;

  /** @param monotonicMs a clock in milliseconds. */
  constructor(sliceMs: number, monotonicMs: () => number) {
    this.#sliceMs = sliceMs;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Resolves when `step` has said that it is done; rejects with what it threw. Several pieces of work take steps in turn. Bound
   * their number where they come from.
   */
  run(step: Step): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tasks.push({ step, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#slice();
      if (this.#tasks.length > 0) this.#schedule();
    });
  }

  #slice(): void {
    const endMs = this.#monotonicMs() + this.#sliceMs;
    do {
      const task = this.#tasks.shift();
      if (task === undefined) return;
      try {
        if (task.step()) task.resolve();
        else this.#tasks.push(task);
      } catch (error) {
        task.reject(error);
      }
    } while (this.#monotonicMs() < endMs);
  }
}
