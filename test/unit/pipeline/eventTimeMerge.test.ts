// Guarantee: however a log was cut into partitions and pages, the merge gives the order of the event times back; each
// partition's own order is kept, nothing is lost, and payments dated wrongly move nobody but themselves.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventTimeMerge, type Timed } from '../../../src/pipeline/eventTimeMerge.ts';

interface Entry extends Timed {
  readonly number: number;
}

/** Feeds the partitions page by page, in the order that `choose` says, and takes whenever the merge gives something. */
function merged(entries: readonly Entry[], pages: readonly number[]): Entry[] {
  const merge = new EventTimeMerge<Entry>();
  const left = new Map<number, Entry[]>();
  for (const entry of entries) left.set(entry.partition, [...(left.get(entry.partition) ?? []), entry]);
  const out: Entry[] = [];
  for (let page = 0; ; page++) {
    const more = new Set([...left].filter(([, rest]) => rest.length > 0).map(([partition]) => partition));
    const taken = merge.take(1 + (page % 7), more);
    out.push(...taken);
    if (taken.length > 0) continue;
    if (more.size === 0) return out;
    const candidates = [...more].filter((partition) => merge.lacks(partition));
    const partition = candidates[page % candidates.length] as number;
    merge.add((left.get(partition) as Entry[]).splice(0, pages[page % pages.length]));
  }
}

const pageSizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 10 });
const history = fc
  .array(fc.record({ partition: fc.nat(3), stepMs: fc.integer({ min: 1, max: 1000 }) }), { maxLength: 200 })
  .map((parts) => {
    let timeMs = 0;
    return parts.map(({ partition, stepMs }, number): Entry => ({ partition, timeMs: (timeMs += stepMs), number }));
  });
const numbers = (entries: readonly Entry[]): number[] => entries.map(({ number }) => number);

describe('partitions merged by event time', () => {
  it('are the sequence they were made of', () => {
    fc.assert(
      fc.property(history, pageSizes, (entries, pages) => {
        expect(numbers(merged(entries, pages))).toEqual(numbers(entries));
      }),
    );
  });

  it('keep each partition’s own order and lose nothing, whatever the times say', () => {
    const wild = fc
      .array(fc.record({ partition: fc.nat(3), timeMs: fc.integer({ min: -1e6, max: 1e6 }) }), { maxLength: 100 })
      .map((entries) => entries.map((entry, number) => ({ ...entry, number })));
    fc.assert(
      fc.property(wild, pageSizes, (entries, pages) => {
        const out = merged(entries, pages);
        for (let partition = 0; partition < 4; partition++) {
          const own = (list: readonly Entry[]) => numbers(list.filter((entry) => entry.partition === partition));
          expect(own(out)).toEqual(own(entries));
        }
      }),
    );
  });

  it('leave everyone else in place when payments are dated minutes ahead or days late', () => {
    const outlier = fc.record({ every: fc.integer({ min: 5, max: 20 }), byMs: fc.constantFrom(300_000, -259_200_000) });
    fc.assert(
      fc.property(history, pageSizes, outlier, (entries, pages, { every, byMs }) => {
        const counts = new Map<number, number>();
        // In each partition one of so many is dated wrongly.
        const dated = entries.map((entry) => {
          const count = (counts.get(entry.partition) ?? 0) + 1;
          counts.set(entry.partition, count);
          return count % every === 0
            ? { ...entry, timeMs: entry.timeMs + byMs, wrong: true }
            : { ...entry, wrong: false };
        });
        const right = (merged(dated, pages) as typeof dated).filter(({ wrong }) => !wrong);
        const atEnd = new Set(
          [...counts].flatMap(([partition]) => numbers(dated.filter((e) => e.partition === partition).slice(-2))),
        );
        const kept = right.filter(({ number }) => !atEnd.has(number));
        const times = kept.map(({ timeMs }) => timeMs);
        // A neighbour of an outlier may stand where its own neighbour stands: a step or two, never minutes.
        let latest = Number.NEGATIVE_INFINITY;
        for (const timeMs of times) {
          expect(latest - timeMs).toBeLessThan(100_000);
          latest = Math.max(latest, timeMs);
        }
      }),
    );
  });

  it('wait for a partition that has more in the log, and for none that has not', () => {
    const merge = new EventTimeMerge<Entry>();
    merge.add([{ partition: 0, timeMs: 1000, number: 0 }]);
    expect(merge.take(10, new Set([1]))).toEqual([]);
    expect(numbers(merge.take(10, new Set()))).toEqual([0]);
  });
});
