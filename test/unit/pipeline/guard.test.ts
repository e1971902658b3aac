// Guarantee: a stage that fails again and again is not asked for a while, then by one call at a time, whatever is done to the
// machine's clock meanwhile; who wants to know how it is is told whether it is asked.
import { expect, test, vi } from 'vitest';
import { createStageGuard, type StageGuard } from '../../../src/pipeline/guard.ts';

const budgetMs = 5000;
const fail = (): Promise<never> => Promise.reject(new Error('away'));
const work = (): Promise<string> => Promise.resolve('done');

async function broken(nowMs?: () => number): Promise<StageGuard> {
  const guard = createStageGuard('stage', 4, () => {}, nowMs);
  for (let i = 0; i < 5; i++) expect(await guard.run(fail, budgetMs)).toEqual({ ok: false, failure: 'failed' });
  expect(guard.state()).toBe('down');
  expect(await guard.run(work, budgetMs)).toEqual({ ok: false, failure: 'open' });
  return guard;
}

test('after its pause one call tries, and decides how it goes on', async () => {
  let nowMs = 0;
  const guard = await broken(() => nowMs);
  nowMs = 1001;
  expect(guard.state()).toBe('up');
  const { promise, resolve } = Promise.withResolvers<string>();
  const first = guard.run(() => promise, budgetMs);
  expect(await guard.run(work, budgetMs)).toEqual({ ok: false, failure: 'open' });
  resolve('done');
  expect(await first).toEqual({ ok: true, value: 'done' });
  expect(await guard.run(work, budgetMs)).toEqual({ ok: true, value: 'done' });
});

test('one that fails when it is tried is left alone again', async () => {
  let nowMs = 0;
  const guard = await broken(() => nowMs);
  nowMs = 1001;
  expect(await guard.run(fail, budgetMs)).toEqual({ ok: false, failure: 'failed' });
  expect(guard.state()).toBe('down');
  expect(await guard.run(work, budgetMs)).toEqual({ ok: false, failure: 'open' });
});

test('a wall clock that is set back by an hour keeps nothing away for an hour', async () => {
  const guard = await broken();
  const realNow = Date.now.bind(Date);
  const spy = vi.spyOn(Date, 'now').mockImplementation(() => realNow() - 3_600_000);
  try {
    await expect.poll(() => guard.run(work, budgetMs), { timeout: 10_000 }).toEqual({ ok: true, value: 'done' });
  } finally {
    spy.mockRestore();
  }
});

test('what takes longer than its budget gives its place back, and what it answers later is dropped', async () => {
  const failures: string[] = [];
  const guard = createStageGuard('stage', 1, (_stage, failure) => failures.push(failure));
  const { promise, resolve } = Promise.withResolvers<string>();
  expect(await guard.run(() => promise, 1)).toEqual({ ok: false, failure: 'timeout' });
  resolve('late');
  expect(await guard.run(work, budgetMs)).toEqual({ ok: true, value: 'done' });
  expect(failures).toEqual(['timeout']);
});

test('calls beyond its places are refused at once, and that says nothing of the stage', async () => {
  const guard = createStageGuard('stage', 1, () => {});
  const { promise, resolve } = Promise.withResolvers<string>();
  const first = guard.run(() => promise, budgetMs);
  for (let i = 0; i < 10; i++) expect(await guard.run(work, budgetMs)).toEqual({ ok: false, failure: 'full' });
  expect(guard.state()).toBe('up');
  resolve('done');
  expect(await first).toEqual({ ok: true, value: 'done' });
});

test('work that throws before it promises anything is a failure like any other', async () => {
  const guard = createStageGuard('stage', 1, () => {});
  const throws = (): Promise<never> => {
    throw new Error('away');
  };
  expect(await guard.run(throws, budgetMs)).toEqual({ ok: false, failure: 'failed' });
  expect(await guard.run(work, budgetMs)).toEqual({ ok: true, value: 'done' });
});
