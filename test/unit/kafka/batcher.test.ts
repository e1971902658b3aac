import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BatcherOptions, TopicMessages } from '../../../src/adapters/kafka/batcher.ts';
import { SendBatcher } from '../../../src/adapters/kafka/batcher.ts';
import { LogUnavailable } from '../../../src/pipeline/logErrors.ts';

const limits = {
  sendBytesMax: 1000,
  sendMessagesMax: 10,
  messageBytesMax: 900,
  queueBytesMax: 1_000_000,
  appendMsMax: 10_000,
};

/** A batcher over a send that the test decides about, with everything that was sent and how many sends overlapped at most. */
function make(send: () => Promise<void>, options: Partial<BatcherOptions> = {}) {
  const sent: (readonly TopicMessages[])[] = [];
  let now = 0;
  const watched = { most: 0 };
  const batcher = new SendBatcher({
    ...limits,
    async send(topicMessages) {
      watched.most = Math.max(watched.most, ++now);
      sent.push(topicMessages.map(({ topic, messages }) => ({ topic, messages: [...messages] })));
      await new Promise((resolve) => setImmediate(resolve));
      try {
        await send();
      } finally {
        now--;
      }
    },
    ...options,
  });
  return { batcher, sent, watched };
}
const messagesOf = (name: string, count: number, bytes = 10): { key: string; value: Uint8Array }[] =>
  Array.from({ length: count }, (_, i) => ({ key: `${name}-${i}`, value: new Uint8Array(bytes) }));
const keysOf = (sent: readonly (readonly TopicMessages[])[], topic: string): string[] =>
  sent.flatMap((send) =>
    send.filter((one) => one.topic === topic).flatMap(({ messages }) => messages.map(({ key }) => key)),
  );

describe('the batcher of sends', () => {
  test('whatever is appended is sent in order, one send at a time, within the bounds; an append fails exactly when a send of it did', async () => {
    const appends = fc.array(
      fc.record({
        topic: fc.constantFrom('a', 'b'),
        count: fc.integer({ min: 0, max: 25 }),
        turns: fc.nat({ max: 2 }),
      }),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(appends, fc.array(fc.boolean(), { maxLength: 10 }), async (list, fates) => {
        let attempt = 0;
        const { batcher, sent, watched } = make(async () => {
          if (fates[attempt++] === true) throw new LogUnavailable('refused');
        });
        const outcomes: Promise<boolean>[] = [];
        for (const [i, { topic, count, turns }] of list.entries()) {
          outcomes.push(
            batcher.append(topic, messagesOf(`${i}`, count)).then(
              () => true,
              () => false,
            ),
          );
          for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        }
        const done = await Promise.all(outcomes);
        expect(watched.most).toBeLessThanOrEqual(1);
        expect(batcher.queuedBytes).toBe(0);
        for (const send of sent) {
          expect(send.reduce((sum, { messages }) => sum + messages.length, 0)).toBeLessThanOrEqual(
            limits.sendMessagesMax,
          );
        }
        for (const topic of ['a', 'b']) {
          const keys = keysOf(sent, topic);
          const whole = list.flatMap(({ topic: on, count }, i) =>
            on === topic && done[i] === true ? messagesOf(`${i}`, count).map(({ key }) => key) : [],
          );
          // Messages of failed appends may lie in between.
          const kept = new Set(whole);
          expect(keys.filter((key) => kept.has(key))).toEqual(whole);
          expect(new Set(keys).size).toBe(keys.length);
        }
        await batcher.close();
      }),
      { numRuns: 60 },
    );
  });

  test('an append that is not acknowledged in time is given up, and the next send still waits for the one on its way', async () => {
    const gate = Promise.withResolvers<void>();
    const { batcher, sent, watched } = make(() => gate.promise, { appendMsMax: 30 });
    await expect(batcher.append('a', messagesOf('slow', 1))).rejects.toThrow(LogUnavailable);
    const second = batcher.append('a', messagesOf('next', 1));
    await expect(second).rejects.toThrow(LogUnavailable);
    expect(sent).toHaveLength(1);
    gate.resolve();
    await batcher.close();
    expect(watched.most).toBe(1);
    // Given up before it was sent: it is not sent behind its caller's back.
    expect(keysOf(sent, 'a')).toEqual(['slow-0']);
  });

  test('beyond its bound the queue refuses, a message over the limit is refused alone, a closed one takes nothing', async () => {
    const gate = Promise.withResolvers<void>();
    const { batcher } = make(() => gate.promise, { queueBytesMax: 2000 });
    const first = batcher.append('a', messagesOf('x', 2, 800));
    await expect(batcher.append('a', messagesOf('y', 1, 800))).rejects.toThrow('full');
    expect(() => batcher.append('a', messagesOf('z', 1, 901))).toThrow(RangeError);
    gate.resolve();
    await first;
    await batcher.close();
    await expect(batcher.append('a', messagesOf('z', 1))).rejects.toThrow(LogUnavailable);
  });
});
