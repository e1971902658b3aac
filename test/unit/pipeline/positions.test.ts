/** Guarantee: what is committed is the newest of what was given, in few requests, all of it after a flush; a failure is told and ends nothing. */
import { expect, test } from 'vitest';
import { Positions } from '../../../src/pipeline/positions.ts';
import type { Commit, Subscription } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';

const at = (partition: number, nextOffset: number): Commit => ({
  group: 'g',
  topic: topics.payments,
  partition,
  nextOffset,
});
const never = 1_000_000;

function subscriptionOf(commit: (commits: readonly Commit[]) => Promise<void>): Subscription {
  return {
    commit,
    poll: async () => [],
    rewind: () => {},
    lag: async () => 0,
    behind: () => new Set(),
    close: async () => {},
  };
}

test('positions given one after another are one request, the newest of each partition', async () => {
  const requests: (readonly Commit[])[] = [];
  const subscription = subscriptionOf(async (commits) => void requests.push(commits));
  const positions = new Positions(subscription, 1, () => {});
  for (let n = 1; n <= 50; n++) positions.commit([at(0, n), at(1, 2 * n)]);
  await expect.poll(() => requests.length).toBe(1);
  expect(requests).toEqual([[at(0, 50), at(1, 100)]]);
});

test('a flush waits for no pause, and takes along what came while a request was on its way', async () => {
  const requests: (readonly Commit[])[] = [];
  const answer = Promise.withResolvers<void>();
  const subscription = subscriptionOf(async (commits) => {
    requests.push(commits);
    await answer.promise;
  });
  const positions = new Positions(subscription, never, () => {});
  positions.commit([at(0, 1)]);
  const flushed = positions.flush();
  await expect.poll(() => requests.length).toBe(1);
  positions.commit([at(0, 2)]);
  answer.resolve();
  await flushed;
  expect(requests).toEqual([[at(0, 1)], [at(0, 2)]]);
  await positions.flush();
  expect(requests).toHaveLength(2);
});

test('a request that fails is told, and the next positions are tried all the same', async () => {
  const failures: unknown[] = [];
  const committed: (readonly Commit[])[] = [];
  let away: Error | undefined = new Error('away');
  const subscription = subscriptionOf(async (commits) => {
    if (away !== undefined) throw away;
    committed.push(commits);
  });
  const positions = new Positions(subscription, 1, (error) => failures.push(error));
  positions.commit([at(0, 1)]);
  await positions.flush();
  expect(failures).toEqual([away]);
  away = undefined;
  positions.commit([at(0, 2)]);
  await positions.flush();
  expect(committed).toEqual([[at(0, 2)]]);
});
