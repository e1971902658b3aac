/** What every EventLog must do, embedded or not, with one partition or many. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SubscriptionDead } from '../../src/pipeline/logErrors.ts';
import type { Commit, EventLog, Message, Subscription, Topic } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';
import { pollCount, readAll } from '../helpers/messages.ts';

export interface LogUnderTest {
  readonly log: EventLog;
  /** The same data through new connections, as after a restart. The old ones are closed by it. */
  reopen(): Promise<LogUnderTest>;
  /** Closes it and removes what it made. */
  dispose(): Promise<void>;
}

const topic: Topic = topics.payments;
/** Long enough that a wait which is not woken fails the test by its own timeout. */
const longMs = 60_000;
const shortMs = 100;

/** Keys spread over the partitions; the value tells the order in which they were appended. */
const messagesOf = (from: number, to: number): { key: string; value: Uint8Array }[] =>
  Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: Buffer.from(`value ${from + i}`) }));

const texts = (messages: readonly Message[]): string[] =>
  messages.map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`);
const expected = (from: number, to: number): string[] =>
  messagesOf(from, to).map(({ key, value }) => `${key}=${String(value)}`);
const sorted = (list: readonly string[]): string[] => [...list].sort();
const numberOf = ({ value }: Message): number => Number(Buffer.from(value).toString().split(' ')[1]);
const placeOf = ({ partition, offset }: Message): string => `${partition}/${offset}`;

/** The position after each partition's last message. */
function commitsAfter(group: string, messages: readonly Message[]): Commit[] {
  const next = new Map<number, number>();
  for (const { partition, offset } of messages) next.set(partition, Math.max(next.get(partition) ?? 0, offset + 1));
  return [...next].map(([partition, nextOffset]) => ({ group, topic, partition, nextOffset }));
}

function expectOrderInPartitions(messages: readonly Message[]): void {
  const last = new Map<number, { offset: number; number: number }>();
  for (const message of messages) {
    const before = last.get(message.partition);
    const now = { offset: message.offset, number: numberOf(message) };
    if (before !== undefined) {
      expect(now.offset).toBeGreaterThan(before.offset);
      expect(now.number).toBeGreaterThan(before.number);
    }
    last.set(message.partition, now);
  }
}

export function eventLogConformance(name: string, makeLog: () => Promise<LogUnderTest>): void {
  describe(`event log: ${name}`, { timeout: longMs }, () => {
    let under: LogUnderTest;
    let open: Subscription[];
    beforeEach(async () => {
      open = [];
      under = await makeLog();
    });
    afterEach(async () => {
      await Promise.all(open.map((subscription) => subscription.close()));
      await under.dispose();
    });

    async function subscribe(group = 'g', of: Topic = topic): Promise<Subscription> {
      const subscription = await under.log.subscribe(group, of);
      open.push(subscription);
      return subscription;
    }
    async function reopen(): Promise<void> {
      await Promise.all(open.splice(0).map((subscription) => subscription.close()));
      under = await under.reopen();
    }

    test('messages come back in order, key and value as they were, the empty ones too', async () => {
      await under.log.append(topic, messagesOf(0, 50));
      await under.log.append(topic, []);
      await under.log.append(topics.labels, [
        { key: '', value: new Uint8Array(0) },
        { key: 'schlüssel', value: Uint8Array.of(0, 255) },
      ]);
      const messages = await pollCount(await subscribe(), 50);
      expect(sorted(texts(messages))).toEqual(sorted(expected(0, 50)));
      expectOrderInPartitions(messages);
      const odd = await pollCount(await subscribe('h', topics.labels), 2);
      expect(odd.map(({ key, value }) => [key, [...value]]).sort()).toEqual([
        ['', []],
        ['schlüssel', [0, 255]],
      ]);
    });

    test('a poll brings at most what was asked for, of one partition, and never the same again', async () => {
      await under.log.append(topic, messagesOf(0, 100));
      const subscription = await subscribe();
      const all: Message[] = [];
      while (all.length < 100) {
        const messages = await subscription.poll(7, shortMs);
        expect(messages.length).toBeLessThanOrEqual(7);
        expect(new Set(messages.map(({ partition }) => partition)).size).toBeLessThanOrEqual(1);
        all.push(...messages);
      }
      expect(sorted(texts(all))).toEqual(sorted(expected(0, 100)));
      expectOrderInPartitions(all);
      expect(await subscription.poll(7, shortMs)).toEqual([]);
    });

    test('a group that commits goes on after its position, through restarts; others are not moved by it', async () => {
      await under.log.append(topic, messagesOf(0, 40));
      const subscription = await subscribe();
      const first = await pollCount(subscription, 15);
      await subscription.commit(commitsAfter('g', first));
      await pollCount(subscription, 10);
      await reopen();
      const rest = await pollCount(await subscribe(), 25);
      expect(sorted(texts([...first, ...rest]))).toEqual(sorted(expected(0, 40)));
      expect(sorted(texts(await pollCount(await subscribe('other'), 40)))).toEqual(sorted(expected(0, 40)));
    });

    test('a rewind goes back to what is committed, and no further', async () => {
      await under.log.append(topic, messagesOf(0, 60));
      const subscription = await subscribe();
      const kept = await pollCount(subscription, 20);
      await subscription.commit(commitsAfter('g', kept));
      const forgotten = await pollCount(subscription, 25);
      subscription.rewind();
      // Fenced: whoever took these is overtaken by the rewind.
      await subscription.commit(commitsAfter('g', forgotten));
      const again = await pollCount(subscription, 40);
      expect(sorted(texts([...kept, ...again]))).toEqual(sorted(expected(0, 60)));
      expectOrderInPartitions(again);
      expect(await subscription.lag()).toBe(40);
    });

    test('a position is never moved back', async () => {
      await under.log.append(topic, messagesOf(0, 30));
      const subscription = await subscribe();
      const all = await pollCount(subscription, 30);
      await subscription.commit(commitsAfter('g', all));
      await subscription.commit(commitsAfter('g', all.slice(0, 10)));
      expect(await subscription.lag()).toBe(0);
    });

    test('lag is the number of messages after the positions', async () => {
      const subscription = await subscribe();
      expect(await subscription.lag()).toBe(0);
      await under.log.append(topic, messagesOf(0, 25));
      expect(await subscription.lag()).toBe(25);
      const messages = await pollCount(subscription, 25);
      expect(await subscription.lag()).toBe(25);
      await subscription.commit(commitsAfter('g', messages.slice(0, 10)));
      expect(await subscription.lag()).toBe(15);
    });

    test('topics are apart', async () => {
      await under.log.append(topics.deadletter, messagesOf(0, 2));
      expect(sorted(texts(await pollCount(await subscribe('g', topics.deadletter), 2)))).toEqual(expected(0, 2));
      expect(await (await subscribe()).poll(10, shortMs)).toEqual([]);
      expect(await readAll(under.log, topic)).toEqual([]);
    });

    test('appends at the same time lose nothing, and each keeps its order', async () => {
      const appends = Array.from({ length: 40 }, (_, i) => under.log.append(topic, messagesOf(i * 25, i * 25 + 25)));
      await Promise.all(appends);
      const messages = await readAll(under.log, topic);
      expect(sorted(texts(messages))).toEqual(sorted(expected(0, 1000)));
      for (let from = 0; from < 1000; from += 25) {
        expectOrderInPartitions(messages.filter((message) => Math.floor(numberOf(message) / 25) * 25 === from));
      }
    });

    test('a waiting reader is woken by an append', async () => {
      const subscription = await subscribe();
      expect(await subscription.poll(10, shortMs)).toEqual([]);
      for (const n of [0, 1, 2]) {
        const polled = subscription.poll(10, longMs);
        await under.log.append(topic, messagesOf(n, n + 1));
        expect(texts(await polled)).toEqual(expected(n, n + 1));
      }
    });

    test('a poll for nothing ends after its time', async () => {
      const subscription = await subscribe();
      const startedMs = performance.now();
      expect(await subscription.poll(10, 30)).toEqual([]);
      expect(performance.now() - startedMs).toBeGreaterThanOrEqual(25);
    });

    test('large values and many messages at once survive', async () => {
      const large = [{ key: 'large', value: new Uint8Array(700_000).fill(7) }, ...messagesOf(0, 3000)];
      await under.log.append(topic, large);
      const messages = await readAll(under.log, topic);
      expect(messages).toHaveLength(3001);
      const [first, ...others] = messages.sort((a, b) => b.value.length - a.value.length);
      expect(first?.value.every((byte) => byte === 7)).toBe(true);
      expect(sorted(texts(others))).toEqual(sorted(expected(0, 3000)));
    });

    test('reading a topic ends with what is there, and moves nobody', async () => {
      expect(await readAll(under.log, topic)).toEqual([]);
      await under.log.append(topic, messagesOf(0, 700));
      const first = await readAll(under.log, topic);
      expect(sorted(texts(first))).toEqual(sorted(expected(0, 700)));
      expectOrderInPartitions(first);
      await under.log.append(topic, messagesOf(700, 710));
      expect(await readAll(under.log, topic)).toHaveLength(710);
      expect(await pollCount(await subscribe(), 710)).toHaveLength(710);
    });

    test('the newest of a topic are the end of each partition, without a gap, and dated where the log keeps a time', async () => {
      const beganMs = Date.now();
      await under.log.append(topic, messagesOf(0, 600));
      const newest: Message[] = [];
      for await (const page of under.log.read(topic, 60)) newest.push(...page);
      const whole = Map.groupBy(await readAll(under.log, topic), ({ partition }) => partition);
      const ends = Map.groupBy(newest, ({ partition }) => partition);
      expect([...ends.keys()].sort()).toEqual([...whole.keys()].sort());
      for (const [partition, messages] of whole) {
        const end = ends.get(partition) ?? [];
        expect(texts(end)).toEqual(texts(messages.slice(-end.length)));
        expect(end.length).toBeGreaterThanOrEqual(Math.min(messages.length, Math.ceil(60 / whole.size)));
      }
      const clockMs = 1_000;
      for (const { appendedAtMs = Date.now() } of newest) {
        expect(appendedAtMs).toBeGreaterThanOrEqual(beganMs - clockMs);
        expect(appendedAtMs).toBeLessThanOrEqual(Date.now() + clockMs);
      }
    });

    test('what a member leaves uncommitted goes to another, what it committed does not', async () => {
      await under.log.append(topic, messagesOf(0, 80));
      const leaving = await subscribe();
      const done = await pollCount(leaving, 30);
      await leaving.commit(commitsAfter('g', done));
      await pollCount(leaving, 20);
      const staying = await subscribe();
      await leaving.close();
      // A member that the group was shared out to meanwhile may have polled before it was told of the other's commits.
      const rest = new Map<string, Message>();
      while (rest.size < 50)
        for (const message of await staying.poll(100, shortMs)) rest.set(placeOf(message), message);
      expect(sorted(texts([...done, ...rest.values()]))).toEqual(sorted(expected(0, 80)));
      expectOrderInPartitions([...rest.values()].sort((a, b) => a.partition - b.partition || a.offset - b.offset));
    });

    test('a membership that is over says so', async () => {
      const subscription = await under.log.subscribe('g', topic);
      await subscription.close();
      await subscription.close();
      await expect(subscription.poll(1, shortMs)).rejects.toThrow(SubscriptionDead);
    });
  });
}
