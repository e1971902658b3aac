/** Long work in slices: the event loop gets its turn between them, whatever they cost. */
import { expect, test } from 'vitest';
import { Turns } from '../../../src/api/turns.ts';

/** A clock that moves only when work is done. */
function simulated(): { readonly monotonicMs: () => number; work(ms: number): void } {
  let nowMs = 0;
  return {
    monotonicMs: () => nowMs,
    work(ms) {
      nowMs += ms;
    },
  };
}

/** Turns that other work gets until `done`. */
async function turnsUntil(done: Promise<unknown>): Promise<number> {
  let running = true;
  let turns = 0;
  const count = (): void => {
    if (!running) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  await done;
  running = false;
  return turns;
}

test('work longer than a slice leaves a turn to others after each slice', async () => {
  const clock = simulated();
  const turns = new Turns(4, clock.monotonicMs);
  let steps = 0;
  const done = turns.run(() => {
    clock.work(1);
    return ++steps === 100;
  });
  expect(await turnsUntil(done)).toBeGreaterThanOrEqual(24);
  expect(steps).toBe(100);
});

test('several pieces of work share one slice a turn, and go on side by side', async () => {
  const clock = simulated();
  const turns = new Turns(4, clock.monotonicMs);
  const finished: string[] = [];
  const longest = { current: 0 };
  const piece = (name: string, count: number): Promise<void> => {
    let steps = 0;
    let turn = clock.monotonicMs();
    return turns
      .run(() => {
        clock.work(1);
        longest.current = Math.max(longest.current, clock.monotonicMs() - turn);
        turn = clock.monotonicMs();
        return ++steps === count;
      })
      .then(() => void finished.push(name));
  };
  const all = Promise.all([piece('long', 60), piece('short', 4), piece('middle', 20)]);
  expect(await turnsUntil(all)).toBeGreaterThanOrEqual(20);
  expect(finished).toEqual(['short', 'middle', 'long']);
  // Each of three had a step at least every third step: none waited for another to be done.
  expect(longest.current).toBeLessThanOrEqual(3);
});

test('work that throws rejects, and the others go on', async () => {
  const turns = new Turns(4, () => 0);
  const failed = turns.run(() => {
    throw new Error('no');
  });
  let steps = 0;
  const fine = turns.run(() => ++steps === 3);
  await expect(failed).rejects.toThrow('no');
  await fine;
  expect(steps).toBe(3);
});
