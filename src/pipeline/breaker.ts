/**
 * Refuses calls of what has failed several times in a row, and lets one through now and then to see. Not cockatiel's own: that
 * one goes by the wall clock, and a clock that is set back by an hour would leave it open for an hour.
 */

/** Failures in a row that open it. */
const failuresToOpen = 5;
/** How long it refuses then, before one call may try. */
const refuseMs = 1000;

export class Breaker {
  readonly #nowMs: () => number;
  #failures = 0;
  #refusesUntilMs = Number.NEGATIVE_INFINITY;
  #trying = false;

  /** @param nowMs a clock that is never set */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Refuses calls now. Later it admits one again, whether or not somebody has one to make. */
  get refuses(): boolean {
    return this.#open && this.#nowMs() < this.#refusesUntilMs;
  }

  /** Failed too often, and not found to work again since. */
  get #open(): boolean {
    return this.#failures >= failuresToOpen;
  }

  /** Whether a call may be made; who is told so must report how it went. */
  admits(): boolean {
    if (!this.#open) return true;
    if (this.#trying || this.refuses) return false;
    this.#trying = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#trying = false;
  }

  failed(): void {
    this.#failures++;
    this.#trying = false;
    if (this.#open) this.#refusesUntilMs = this.#nowMs() + refuseMs;
  }
}
