/** Time as the pipeline sees it: passed in, so that simulated histories can own it. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Monotonic, milliseconds from an arbitrary origin, with a fraction. */
  monotonicMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
