/** How many requests each key may make in a fixed window of time. Synchronous and small: it stands in front of every decision. */

interface Window {
  startMs: number;
  count: number;
}

export class KeyRate {
  readonly #max: number;
  readonly #windowMs: number;
  /** One entry for each key that was used; keys are verified first, so that callers cannot make entries up. */
  readonly #windows = new Map<string, Window>();

  constructor(max: number, windowMs: number) {
    this.#max = max;
    this.#windowMs = windowMs;
  }

  /**
   * Counts a request.
   * @param nowMs a monotonic clock
   * @returns 0, or how many seconds to wait where the window's requests are used up.
   */
  take(keyId: string, nowMs: number): number {
    let window = this.#windows.get(keyId);
    if (window === undefined) {
      window = { startMs: nowMs, count: 0 };
      this.#windows.set(keyId, window);
    } else if (nowMs - window.startMs >= this.#windowMs) {
      window.startMs = nowMs;
      window.count = 0;
    }
    if (window.count < this.#max) {
      window.count++;
      return 0;
    }
    return Math.max(1, Math.ceil((window.startMs + this.#windowMs - nowMs) / 1000));
  }
}
