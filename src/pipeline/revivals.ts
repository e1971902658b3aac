/**
 * How often what has died may begin anew. A membership in a consumer group dies of things that pass (the group's coordinator is
 * not found while the brokers come back) and of things that do not (this process may not be in the group at all).
 */

import type { SubscriptionDead } from './logErrors.ts';

/** Deaths in a row after which it is left dead. */
const revivalsMax = 6;
/** Who lived for so long dies of something new. */
const longLifeMs = 60_000;
const pauseMsMin = 250;
const pauseMsMax = 2_000;

export class Revivals {
  #deaths = 0;
  #bornMs = performance.now();

  born(): void {
    this.#bornMs = performance.now();
  }

  /** @returns how long to wait before the next life, milliseconds; undefined when there is none */
  next(death: SubscriptionDead): number | undefined {
    if (death.replaced) return undefined;
    if (performance.now() - this.#bornMs > longLifeMs) this.#deaths = 0;
    if (this.#deaths === revivalsMax) return undefined;
    return Math.min(pauseMsMax, pauseMsMin * 2 ** this.#deaths++);
  }
}
