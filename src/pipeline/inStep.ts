/**
 * Reads the partitions of a topic in step: while there is a backlog, in the order of event time over all partitions that
 * this process holds, and at most `stepSkewMs` of event time ahead of the slowest other process. Without a backlog
 * nothing waits for anything.
 */
import type { Clock } from './clock.ts';
import { EventTimeMerge, type Timed } from './eventTimeMerge.ts';
import type { Message, StepMarks, Subscription } from './ports.ts';

/** How far in event time one process may be ahead of another while both catch up. */
export const stepSkewMs = 2 * 60_000;
/** Messages of one partition that are read ahead of the others. */
const stepEntriesMax = 1024;
/** A partition that has messages but does not deliver them holds the others back for so long, and no longer. */
export const stepStallMs = 5_000;
/** With so few entries waiting, and none in the log, payments are live. */
const liveEntriesMax = 64;
/** Pause before the other processes' marks are looked at again. */
const markPauseMs = 5;

export interface InStepOptions<T extends Timed> {
  readonly subscription: Subscription;
  readonly clock: Clock;
  readonly entryOf: (message: Message) => T;
  /** Undefined where no other process shares the topic. */
  readonly marks: StepMarks | undefined;
}

const nothing: ReadonlySet<number> = new Set();

export class InStepReader<T extends Timed> {
  readonly #options: InStepOptions<T>;
  readonly #merge = new EventTimeMerge<T>();
  /** Since when the reader has waited for a partition that does not deliver. */
  #stalledSinceMs: number | undefined;
  #marked = false;

  constructor(options: InStepOptions<T>) {
    this.#options = options;
  }

  /** The next entries, at most `max`; empty where there were none within `waitMs`. One call at a time. */
  async next(max: number, waitMs: number): Promise<readonly T[]> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + waitMs;
    for (;;) {
      const entries = await this.#gather(max, untilMs);
      const leftMs = untilMs - clock.monotonicMs();
      if (entries.length > 0 || leftMs <= 0) return entries;
    }
  }

  /** Forgets what was read and not taken: the subscription was rewound. */
  clear(): void {
    this.#merge.clear();
    this.#stalledSinceMs = undefined;
  }

  /** As many entries as can be had without waiting; waits, until `untilMs`, only for the first. */
  async #gather(max: number, untilMs: number): Promise<T[]> {
    const { clock } = this.#options;
    const gathered: T[] = [];
    const leftMs = (): number => Math.max(0, untilMs - clock.monotonicMs());
    if (this.#merge.size === 0 && !(await this.#read(leftMs()))) return gathered;
    const gateMs = await this.#gate();
    for (;;) {
      const untilPlaceMs = this.#catchingUp() ? gateMs : Number.POSITIVE_INFINITY;
      gathered.push(...this.#merge.take(max - gathered.length, this.#awaited(), untilPlaceMs));
      if (gathered.length === max) return gathered;
      const added = await this.#read(gathered.length > 0 ? 0 : Math.min(leftMs(), markPauseMs));
      if (!added) return gathered;
    }
  }

  /** Live payments wait for nobody's backlog; what is left of our own is none of them. */
  #catchingUp(): boolean {
    return this.#options.subscription.behind().size > 0 || this.#merge.size > liveEntriesMax;
  }

  async #read(waitMs: number): Promise<boolean> {
    const { subscription, entryOf, clock } = this.#options;
    const messages = await subscription.poll(stepEntriesMax, waitMs, this.#full());
    if (messages.length > 0) {
      this.#stalledSinceMs = undefined;
      this.#merge.add(messages.map(entryOf));
      return true;
    }
    const waiting =
      this.#merge.size > 0 && [...subscription.behind()].some((partition) => this.#merge.lacks(partition));
    if (!waiting) this.#stalledSinceMs = undefined;
    else this.#stalledSinceMs ??= clock.monotonicMs();
    return false;
  }

  /** Partitions that must deliver before the others may go on. */
  #awaited(): ReadonlySet<number> {
    const { subscription, clock } = this.#options;
    const stalled = this.#stalledSinceMs !== undefined && clock.monotonicMs() - this.#stalledSinceMs > stepStallMs;
    return stalled ? nothing : subscription.behind();
  }

  #full(): ReadonlySet<number> {
    return new Set(this.#merge.partitions().filter((partition) => this.#merge.waiting(partition) >= stepEntriesMax));
  }

  /** Until which event time this process may go on now. */
  async #gate(): Promise<number> {
    const { marks } = this.#options;
    if (marks === undefined) return Number.POSITIVE_INFINITY;
    const catchingUp = this.#catchingUp();
    if (!catchingUp && !this.#marked) return Number.POSITIVE_INFINITY;
    this.#marked = catchingUp;
    const lowestMs = await marks.exchange(catchingUp ? this.#merge.nextPlaceMs() : undefined);
    return lowestMs === undefined ? Number.POSITIVE_INFINITY : lowestMs + stepSkewMs;
  }
}
