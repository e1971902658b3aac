/** What every EventLog must do, embedded or not. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EventLog, Message } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';

export interface LogUnderTest {
  readonly log: EventLog;
  /** The same data through new connections, as after a restart. The old ones are closed by it. */
  reopen(): Promise<LogUnderTest>;
  /** Closes it and removes what it made. */
  dispose(): Promise<void>;
}

const topic = topics.payments;
/** Long enough that a wait which is not woken fails the test by its own timeout. */
const longMs = 20_000;

const messagesOf = (from: number, to: number): { key: string; value: Uint8Array }[] =>
  Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: Buffer.from(`value ${from + i}`) }));

const texts = (messages: readonly Message[]): string[] =>
  messages.map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`);
const expected = (from: number, to: number): string[] =>
  messagesOf(from, to).map(({ key, value }) => `${key}=${String(value)}`);

export function eventLogConformance(name: string, makeLog: () => Promise<LogUnderTest>): void {
  describe(`event log: ${name}`, () => {
    let under: LogUnderTest;
    beforeEach(async () => {
      under = await makeLog();
    });
    afterEach(() => under.dispose());

    const commitAfter = (group: string, { partition, offset }: Message): Promise<void> =>
      under.log.commit([{ group, topic, partition, nextOffset: offset + 1 }]);

    test('messages come back in order, key and value as they were, the empty ones too', async () => {
      await under.log.append(topic, messagesOf(0, 3));
      await under.log.append(topic, []);
      await under.log.append(topic, [
        { key: '', value: new Uint8Array(0) },
        { key: 'schlüssel', value: Uint8Array.of(0, 255) },
      ]);
      const messages = await under.log.poll('g', topic, 100);
      expect(texts(messages.slice(0, 3))).toEqual(expected(0, 3));
      expect(messages.slice(3).map(({ key, value }) => [key, [...value]])).toEqual([
        ['', []],
        ['schlüssel', [0, 255]],
      ]);
      const offsets = messages.map(({ offset }) => offset);
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      expect(new Set(offsets).size).toBe(offsets.length);
    });

    test('a group that commits goes on after its position, through restarts; others are not moved by it', async () => {
      await under.log.append(topic, messagesOf(0, 10));
      const first = await under.log.poll('g', topic, 4);
      expect(texts(first)).toEqual(expected(0, 4));
      expect(texts(await under.log.poll('g', topic, 4))).toEqual(expected(0, 4));
      await commitAfter('g', first.at(-1) as Message);
      expect(texts(await under.log.poll('g', topic, 100))).toEqual(expected(4, 10));
      under = await under.reopen();
      expect(texts(await under.log.poll('g', topic, 100))).toEqual(expected(4, 10));
      expect(texts(await under.log.poll('other', topic, 100))).toEqual(expected(0, 10));
    });

    test('a reader that names an offset reads from there, whatever the group has committed', async () => {
      await under.log.append(topic, messagesOf(0, 600));
      const first = await under.log.poll('g', topic, 250);
      const second = await under.log.poll('g', topic, 250, (first.at(-1) as Message).offset + 1);
      const third = await under.log.poll('g', topic, 250, (second.at(-1) as Message).offset + 1);
      expect(texts([...first, ...second, ...third])).toEqual(expected(0, 600));
      expect(await under.log.poll('g', topic, 250, (third.at(-1) as Message).offset + 1)).toEqual([]);
      expect(texts(await under.log.poll('g', topic, 1))).toEqual(expected(0, 1));
    });

    test('lag is the number of messages after the position', async () => {
      expect(await under.log.lag('g', topic)).toBe(0);
      await under.log.append(topic, messagesOf(0, 5));
      expect(await under.log.lag('g', topic)).toBe(5);
      const [first] = await under.log.poll('g', topic, 1);
      await commitAfter('g', first as Message);
      expect(await under.log.lag('g', topic)).toBe(4);
    });

    test('topics are apart', async () => {
      await under.log.append(topics.deadletter, messagesOf(0, 2));
      expect(await under.log.poll('g', topic, 10)).toEqual([]);
      expect(texts(await under.log.poll('g', topics.deadletter, 10))).toEqual(expected(0, 2));
      expect(await under.log.lag('g', topic)).toBe(0);
    });

    test('appends at the same time are each whole and lose nothing', async () => {
      const appends = Array.from({ length: 20 }, (_, i) => under.log.append(topic, messagesOf(i * 10, i * 10 + 10)));
      await Promise.all(appends);
      const messages = await under.log.poll('g', topic, 1000);
      expect(texts(messages).sort()).toEqual(expected(0, 200).sort());
      const numbers = messages.map(({ key }) => Number(key.slice(1)));
      for (let i = 0; i < numbers.length; i += 10) {
        const start = numbers[i] as number;
        expect(numbers.slice(i, i + 10)).toEqual(Array.from({ length: 10 }, (_, k) => start + k));
      }
    });

    test('a waiting reader is woken by an append, also by one between its empty poll and its wait', async () => {
      expect(await under.log.poll('g', topic, 10)).toEqual([]);
      const woken = under.log.wait(topic, longMs);
      await under.log.append(topic, messagesOf(0, 1));
      await woken;
      const [message] = await under.log.poll('g', topic, 10);
      await commitAfter('g', message as Message);
      expect(await under.log.poll('g', topic, 10)).toEqual([]);
      await under.log.append(topic, messagesOf(1, 2));
      await under.log.wait(topic, longMs);
    });

    test('a wait for nothing ends after its time', async () => {
      await under.log.poll('g', topic, 10);
      const startedMs = performance.now();
      await under.log.wait(topic, 30);
      expect(performance.now() - startedMs).toBeGreaterThanOrEqual(25);
    });

    test('large values and many messages at once survive', async () => {
      const large = [{ key: 'large', value: new Uint8Array(700_000).fill(7) }, ...messagesOf(0, 1000)];
      await under.log.append(topic, large);
      const messages = await under.log.poll('g', topic, 2000);
      expect(messages).toHaveLength(1001);
      expect(messages[0]?.value.every((byte) => byte === 7)).toBe(true);
      expect(texts(messages.slice(1))).toEqual(expected(0, 1000));
    });
  });
}
