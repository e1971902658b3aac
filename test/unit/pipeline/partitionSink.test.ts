/** Guarantee: sinks that read one partition at one time, while it moves between them, make one block of what both have. */
import { expect, it } from 'vitest';
import { createPartitionSink, type PartitionRange, type PartitionStore } from '../../../src/pipeline/partitionSink.ts';
import { type Message, topics } from '../../../src/pipeline/ports.ts';
import { recordOf } from '../../conformance/records.ts';

const messages = ['a', 'b', 'c'].map(
  (key, offset): Message => ({ partition: 0, offset, key, value: Buffer.from(key) }),
);

/** A member that is given so many messages first, and the others when it asks again. */
function memberWith(first: number) {
  const pages = [messages.slice(0, first), [], messages.slice(first)];
  return {
    poll: () => Promise.resolve(pages.shift() ?? []),
    commit: () => Promise.resolve(),
    lag: () => Promise.resolve(0),
  };
}

it('whoever looked for begun ranges before another wrote one down takes the other one', async () => {
  const begun: PartitionRange[] = [];
  const tokens: string[] = [];
  const { promise: looked, resolve: bothLooked } = Promise.withResolvers<void>();
  let looks = 0;
  const storeOf = (delayed: Promise<void>): PartitionStore => ({
    async rangesFrom() {
      const found = [...begun];
      looks += 1;
      if (looks === 2) bothLooked();
      await looked;
      return found;
    },
    async beginRange(range) {
      await delayed;
      begun.push(range);
    },
    insertNew: ({ token }) => Promise.resolve(void tokens.push(token)),
    insertAbsent: ({ token }) => Promise.resolve(void tokens.push(token)),
  });
  const sinkOf = (first: number, delayed: Promise<void>) =>
    createPartitionSink({
      topic: topics.decisions,
      group: 'sinks',
      subscription: memberWith(first),
      store: storeOf(delayed),
      decode: ({ key }) => ({ kind: 'decision', record: recordOf(key), featureNames: ['f1', 'f2', 'f3', 'f4'] }),
      onUnreadable: () => Promise.resolve(),
    });
  const all = sinkOf(3, Promise.resolve()).step();
  const some = sinkOf(
    1,
    all.then(() => {}),
  ).step();
  await Promise.all([all, some]);
  expect(begun[0]).toMatchObject({ firstOffset: 0, lastOffset: 2 });
  expect(new Set(tokens).size).toBe(1);
});
