/** Notices that something has stopped silently. Counts its own ticks, so that a process that was itself suspended is not taken for a stall. */
const ticksMax = 20;

export class StallWatch {
  readonly #timer: NodeJS.Timeout;
  #ticks = 0;

  /** Calls `onStall` once when `alive` was not called for `stallMsMax`, about. */
  constructor(stallMsMax: number, onStall: () => void) {
    this.#timer = setInterval(() => {
      if (++this.#ticks < ticksMax) return;
      this.stop();
      onStall();
    }, stallMsMax / ticksMax);
    this.#timer.unref();
  }

  alive(): void {
    this.#ticks = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
