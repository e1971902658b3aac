/** A wait that somebody else can end. One at a time: the next one takes the place of the one before. */
export class Wait {
  #end: () => void = () => {};

  /** Ends the wait that is on; nothing where there is none. */
  end(): void {
    this.#end();
  }

  /** Resolves after so many milliseconds, or when it is ended. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** What was asked for, or nothing when it is ended before: what comes later is then not taken. */
  polled<T>(asked: Promise<readonly T[]>): Promise<readonly T[]> {
    return new Promise((resolve, reject) => {
      this.#end = () => resolve([]);
      asked.then(resolve, reject);
    });
  }
}
