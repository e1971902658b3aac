/** Offset commits of one member: one request at a time, what comes meanwhile goes with the next; held through rebalances. */
import { LogUnavailable } from '../../pipeline/logErrors.ts';

export interface CommitsOptions {
  /** Resolves with whether the broker has confirmed it. */
  readonly send: (offsets: readonly (readonly [partition: number, nextOffset: number])[]) => Promise<boolean>;
  /** Whether the position may (still) be committed by this member. */
  readonly valid: (partition: number, nextOffset: number) => boolean;
  readonly done: (partition: number, nextOffset: number) => void;
  readonly commitMsMax: number;
}

/** The group is being shared out anew: after the next join it is known whether the partitions are still ours. */
const rebalanceErrors = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'FENCED_INSTANCE_ID',
]);

function isRebalance(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('type' in at && rebalanceErrors.has(String(at.type))) return true;
  }
  return false;
}

export class Commits {
  readonly #options: CommitsOptions;
  #pending = new Map<number, number>();
  #next: Promise<void> | undefined;
  #current: Promise<void> = Promise.resolve();
  #onJoin = Promise.withResolvers<void>();
  #over: Error | undefined;

  constructor(options: CommitsOptions) {
    this.#options = options;
  }

  /** Resolves when each position is durable or no longer this member's to commit. */
  commit(partition: number, nextOffset: number): void {
    this.#pending.set(partition, Math.max(this.#pending.get(partition) ?? 0, nextOffset));
  }

  /** Sends what was given to `commit`. */
  flush(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const turn = this.#current
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        const gathered = [...this.#pending];
        this.#pending = new Map();
        return this.#send(gathered);
      });
    this.#next = turn;
    this.#current = turn;
    return turn;
  }

  /** The member has joined: it is known what it holds. */
  joined(): void {
    this.#onJoin.resolve();
    this.#onJoin = Promise.withResolvers<void>();
  }

  /** Nothing can be committed any more. */
  end(error: Error): void {
    this.#over = error;
    this.joined();
  }

  async #send(gathered: readonly (readonly [number, number])[]): Promise<void> {
    const untilMs = performance.now() + this.#options.commitMsMax;
    for (;;) {
      const offsets = gathered.filter(([partition, nextOffset]) => this.#options.valid(partition, nextOffset));
      if (offsets.length === 0) return;
      if (this.#over !== undefined) throw this.#over;
      const joined = this.#onJoin.promise;
      if (await this.#attempt(offsets)) {
        for (const [partition, nextOffset] of offsets) this.#options.done(partition, nextOffset);
        return;
      }
      await this.#until(joined, untilMs - performance.now());
    }
  }

  /** @returns false where it depends on the next join */
  async #attempt(offsets: readonly (readonly [number, number])[]): Promise<boolean> {
    try {
      return await this.#options.send(offsets);
    } catch (error) {
      if (isRebalance(error)) return false;
      throw error;
    }
  }

  async #until(joined: Promise<void>, msMax: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new LogUnavailable('the group did not settle: the position is not known to be durable')),
        Math.max(0, msMax),
      );
    });
    try {
      await Promise.race([joined, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
