/** Hands pieces on in their order, each so much later as is asked for at the time; a delay that ends lets none overtake. */
import { setTimeout as sleep } from 'node:timers/promises';

export class DelayedLine {
  #last: Promise<void> | undefined;

  pass(delayMs: number, handOn: () => void): void {
    if (delayMs === 0 && this.#last === undefined) {
      handOn();
      return;
    }
    const dueMs = performance.now() + delayMs;
    const before = this.#last ?? Promise.resolve();
    const own = before.then(async () => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) await sleep(leftMs);
      handOn();
      if (this.#last === own) this.#last = undefined;
    });
    this.#last = own;
  }
}
