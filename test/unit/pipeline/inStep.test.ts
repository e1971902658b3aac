// Guarantee: partitions of a backlog are read in the order of event time, within one process exactly and between processes
// within the stated skew; a partition that does not deliver holds nobody back for ever; live, nothing waits.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/pipeline/clock.ts';
import { InStepReader, stepSkewMs, stepStallMs } from '../../../src/pipeline/inStep.ts';
import type { Message, StepMarks, Subscription } from '../../../src/pipeline/ports.ts';

/** A clock that the fakes move. */
class HandClock implements Clock {
  ms = 0;
  nowMs = (): number => this.ms;
  monotonicMs = (): number => this.ms;
}

const messageOf = (partition: number, offset: number, timeMs: number): Message => ({
  partition,
  offset,
  key: '',
  value: Buffer.from(String(timeMs)),
});
const entryOf = (message: Message) => ({
  partition: message.partition,
  timeMs: Number(Buffer.from(message.value).toString()),
  offset: message.offset,
});

/** Partitions in memory; those in `dead` have messages and never deliver. A poll that brings nothing takes its time. */
class FakeSubscription implements Subscription {
  readonly #left: Map<number, Message[]>;
  readonly #pages: readonly number[];
  readonly #clock: HandClock;
  readonly dead = new Set<number>();
  polls = 0;

  constructor(partitions: ReadonlyMap<number, readonly number[]>, pages: readonly number[], clock: HandClock) {
    this.#left = new Map([...partitions].map(([p, times]) => [p, times.map((timeMs, i) => messageOf(p, i, timeMs))]));
    this.#pages = pages;
    this.#clock = clock;
  }

  append(partition: number, timeMs: number): void {
    this.#left.set(partition, [...(this.#left.get(partition) ?? []), messageOf(partition, 0, timeMs)]);
  }

  poll(max: number, waitMs: number, skip: ReadonlySet<number> = new Set()): Promise<readonly Message[]> {
    this.polls++;
    const open = [...this.behind()].filter((partition) => !skip.has(partition) && !this.dead.has(partition));
    const partition = open[this.polls % open.length];
    if (partition === undefined) {
      this.#clock.ms += waitMs;
      return Promise.resolve([]);
    }
    const page = Math.min(max, this.#pages[this.polls % this.#pages.length] as number);
    return Promise.resolve((this.#left.get(partition) as Message[]).splice(0, page));
  }

  behind(): ReadonlySet<number> {
    return new Set([...this.#left].filter(([, left]) => left.length > 0).map(([partition]) => partition));
  }
  commit = (): Promise<void> => Promise.resolve();
  rewind = (): void => {};
  lag = (): Promise<number> => Promise.resolve(0);
  close = (): Promise<void> => Promise.resolve();
}

/** Times of a sequence, dealt out to the partitions. */
const dealt = fc
  .array(fc.record({ partition: fc.nat(3), stepMs: fc.integer({ min: 1, max: 60_000 }) }), {
    minLength: 1,
    maxLength: 200,
  })
  .map((parts) => {
    const partitions = new Map<number, number[]>();
    let timeMs = 0;
    for (const { partition, stepMs } of parts) {
      timeMs += stepMs;
      partitions.set(partition, [...(partitions.get(partition) ?? []), timeMs]);
    }
    return partitions;
  });
const pages = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });

describe('a backlog in several partitions', () => {
  it('is read in the order of event time', async () => {
    await fc.assert(
      fc.asyncProperty(dealt, pages, fc.integer({ min: 1, max: 50 }), async (partitions, sizes, max) => {
        const clock = new HandClock();
        const subscription = new FakeSubscription(partitions, sizes, clock);
        const reader = new InStepReader({ subscription, clock, entryOf, marks: undefined });
        const times: number[] = [];
        for (let batch = await reader.next(max, 10); batch.length > 0; batch = await reader.next(max, 10)) {
          expect(batch.length).toBeLessThanOrEqual(max);
          times.push(...batch.map(({ timeMs }) => timeMs));
        }
        expect(times).toEqual([...partitions.values()].flat().sort((a, b) => a - b));
      }),
    );
  });

  it('goes on without a partition that does not deliver, after the stated time', async () => {
    const clock = new HandClock();
    const subscription = new FakeSubscription(
      new Map([
        [0, [1, 2, 3, 4, 5]],
        [1, [1, 2, 3]],
      ]),
      [10],
      clock,
    );
    subscription.dead.add(1);
    const reader = new InStepReader({ subscription, clock, entryOf, marks: undefined });
    expect(await reader.next(10, stepStallMs / 2)).toEqual([]);
    let read: readonly { timeMs: number }[] = [];
    while (read.length === 0) read = await reader.next(10, 1000);
    expect(read.map(({ timeMs }) => timeMs)).toEqual([1, 2, 3, 4, 5]);
    expect(clock.ms).toBeLessThan(stepStallMs + 2000);
  });

  it('keeps two processes within the stated skew of each other', async () => {
    await fc.assert(
      fc.asyncProperty(dealt, pages, fc.infiniteStream(fc.boolean()), async (partitions, sizes, turns) => {
        const clock = new HandClock();
        const marks = sharedMarks();
        const halves = [0, 1].map((half) => {
          const own = new Map([...partitions].filter(([partition]) => partition % 2 === half));
          const subscription = new FakeSubscription(own, sizes, clock);
          return { reader: new InStepReader({ subscription, clock, entryOf, marks: marks.of(half) }), subscription };
        });
        // Both have said where they are before the first one goes on.
        const order: number[] = [];
        const total = [...partitions.values()].flat().length;
        const read = async (half: number, max: number): Promise<void> => {
          const { reader } = halves[half] as (typeof halves)[number];
          order.push(...(await reader.next(max, 1)).map(({ timeMs }) => timeMs));
        };
        for (let n = 0; order.length < total && n < 10_000; n++) await read(turns.next().value === true ? 1 : 0, 7);
        expect(order).toHaveLength(total);
        let latest = 0;
        for (const timeMs of order.slice(marks.unaware)) {
          if (latest > 0) expect(latest - timeMs).toBeLessThanOrEqual(2 * stepSkewMs);
          latest = Math.max(latest, timeMs);
        }
      }),
    );
  });
});

/** Marks in memory. `unaware`: entries that may be read before the other side has said where it is. */
function sharedMarks() {
  const places = new Map<number, number>();
  return {
    unaware: 14,
    of: (half: number): StepMarks => ({
      exchange(placeMs) {
        if (placeMs === undefined) places.delete(half);
        else places.set(half, placeMs);
        return Promise.resolve(places.get(1 - half));
      },
    }),
  };
}

describe('live payments', () => {
  it('are handed on as they come, whatever other processes have to catch up with', async () => {
    const clock = new HandClock();
    const subscription = new FakeSubscription(new Map(), [10], clock);
    const marks: StepMarks = { exchange: () => Promise.resolve(-1e9) };
    const reader = new InStepReader({ subscription, clock, entryOf, marks });
    for (let n = 1; n <= 5; n++) {
      subscription.append(n % 2, n * 1000);
      const before = clock.ms;
      expect(await reader.next(10, 1000)).toHaveLength(1);
      expect(clock.ms).toBe(before);
    }
  });
});
