/** PITFALLS of the clients, each with a real broker: what they do wrong by themselves must not be seen from outside of the adapter. */
import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import type { Consumer } from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../../src/adapters/kafka/client.ts';
import { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import type { KafkaLogOptions } from '../../../src/adapters/kafka/options.ts';
import { openClient } from '../../../src/adapters/kafka/clients.ts';
import { KafkajsMember } from '../../../src/adapters/kafka/kafkajsMember.ts';
import { KafkaSubscription } from '../../../src/adapters/kafka/subscription.ts';
import { SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import type { Message, Subscription } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { Random } from '../../../src/simulator/random.ts';
import type { KafkaServer } from '../../../scripts/services/kafka.ts';
import { startKafka } from '../../../scripts/services/kafka.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import type { Fate } from '../../helpers/kafkaProxy.ts';
import { kafkaClients } from '../../helpers/kafkaLog.ts';
import { apiKeys, KafkaProxy } from '../../helpers/kafkaProxy.ts';
import { pollCount, readAll } from '../../helpers/messages.ts';
import { requires } from '../../helpers/requirements.ts';

const topic = topics.payments;
const pollMs = 500;
const seed = testSeed();

const { met } = requires('kafka');
const proxy = new KafkaProxy();
let proxied: string;
let server: KafkaServer;
beforeAll(async () => {
  if (!met) return;
  const port = await proxy.listen();
  // One coordinator's log of transactions is enough, and its fifty partitions take long to make.
  const settings = { 'group.max.size': '2', 'transaction.state.log.num.partitions': '1' };
  server = await startKafka({ proxyPorts: [port], settings });
  [proxy.target = ''] = server.proxied;
  proxied = `127.0.0.1:${port}`;
}, 120_000);
afterAll(async () => {
  if (!met) return;
  await server.stop();
  await proxy.close();
});

describe.skipIf(!met).each(kafkaClients)(
  '%s and a real broker behind a proxy that fails',
  { timeout: 90_000 },
  (client) => {
    const open: KafkaEventLog[] = [];
    afterEach(async () => {
      proxy.onRequest = () => 'pass';
      proxy.onReply = () => 'pass';
      await Promise.all(open.splice(0).map((log) => log.close()));
    });

    function openLog(brokers: string, options: Partial<KafkaLogOptions> = {}): KafkaEventLog {
      const log = new KafkaEventLog({
        client,
        prefix: `${randomUUID()}.`,
        ...options,
        connection: { brokers: [brokers] },
      });
      open.push(log);
      return log;
    }
    const messagesOf = (from: number, to: number): { key: string; value: Uint8Array }[] =>
      Array.from({ length: to - from }, (_, i) => ({
        key: `k${(from + i) % 16}`,
        value: Buffer.from(String(from + i)),
      }));
    const numbers = (messages: readonly Message[]): number[] =>
      messages.map(({ value }) => Number(Buffer.from(value).toString()));
    const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i);
    const ascending = (list: Iterable<number>): number[] => [...list].sort((a, b) => a - b);

    /** Per partition, the first time each number came is in order: a repetition never overtakes what followed it. */
    function expectFirstsInOrder(messages: readonly Message[]): void {
      const seen = new Set<number>();
      const last = new Map<number, number>();
      for (const message of messages) {
        const [number = 0] = numbers([message]);
        if (seen.has(number)) continue;
        seen.add(number);
        expect(number).toBeGreaterThan(last.get(message.partition) ?? -1);
        last.set(message.partition, number);
      }
    }

    test('a lost reply to the producer, with appends overlapping: nothing is lost, order is kept, repetitions can be told', async () => {
      const prefix = `${randomUUID()}.`;
      const log = openLog(proxied, { prefix });
      await log.ping();
      let replies = 0;
      let lost = 0;
      proxy.onReply = (apiKey): Fate => {
        if (apiKey !== apiKeys.produce || replies++ !== 1) return 'pass';
        lost++;
        return 'drop';
      };
      const appends: Promise<void>[] = [];
      for (let from = 0; from < 3000; from += 30) {
        appends.push(log.append(topic, messagesOf(from, from + 30)));
        // Some while a send is on its way, some at once.
        if (from % 300 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(appends);
      expect(lost).toBe(1);
      const messages = await readAll(openLog(server.brokers, { prefix }), topic);
      expect(ascending(new Set(numbers(messages)))).toEqual(upTo(3000));
      expect(messages.length).toBeGreaterThan(3000);
      expectFirstsInOrder(messages);
    });

    test('never more than one send is on its way', async () => {
      let onTheirWay = 0;
      let most = 0;
      proxy.onRequest = (apiKey): Fate => {
        if (apiKey === apiKeys.produce) most = Math.max(most, ++onTheirWay);
        return 'pass';
      };
      proxy.onReply = (apiKey): Fate => {
        if (apiKey === apiKeys.produce) onTheirWay--;
        return 'pass';
      };
      const log = openLog(proxied);
      await Promise.all(upTo(300).map((n) => log.append(topic, messagesOf(n, n + 1))));
      expect(most).toBe(1);
    });

    test(`connections cut in the middle of requests and replies lose and disorder nothing (seed ${seed})`, async () => {
      const random = new Random(seed);
      const prefix = `${randomUUID()}.`;
      const log = openLog(proxied, { prefix });
      await log.ping();
      const subscription = await log.subscribe('g', topic);
      const kinds: readonly number[] = [apiKeys.produce, apiKeys.fetch, apiKeys.offsetCommit];
      let cuts = 0;
      const fate = (apiKey: number): Fate => {
        if (!kinds.includes(apiKey) || cuts >= 12 || random.below(8) !== 0) return 'pass';
        cuts++;
        return 'cut';
      };
      proxy.onRequest = fate;
      proxy.onReply = fate;
      const got: Message[] = [];
      const consumed = (async () => {
        const seen = new Set<number>();
        while (seen.size < 4000) {
          const messages = await subscription.poll(100, pollMs);
          for (const number of numbers(messages)) seen.add(number);
          got.push(...messages);
          const last = messages.at(-1);
          if (last === undefined) continue;
          const commit = { group: 'g', topic, partition: last.partition, nextOffset: last.offset + 1 };
          await subscription.commit([commit]).catch(() => {
            subscription.rewind();
          });
        }
      })();
      for (let from = 0; from < 4000; from += 50) await log.append(topic, messagesOf(from, from + 50));
      await consumed;
      expect(cuts).toBeGreaterThan(3);
      expect(ascending(new Set(numbers(got)))).toEqual(upTo(4000));
      expectFirstsInOrder(got);
      const written = await readAll(openLog(server.brokers, { prefix }), topic);
      expectFirstsInOrder(written);
      process.stdout.write(`seed ${seed}: ${cuts} cuts, ${written.length} written, ${got.length} read for 4000\n`);
    });

    test('a broker that is frozen costs time; a commit that was not confirmed is not taken for durable', async () => {
      const log = openLog(proxied);
      await log.append(topic, messagesOf(0, 10));
      const subscription = await log.subscribe('g', topic);
      const messages = await pollCount(subscription, 10);
      const commits = [...new Set(messages.map(({ partition }) => partition))].map((partition) => {
        const offsets = messages.filter((message) => message.partition === partition).map(({ offset }) => offset);
        return { group: 'g', topic, partition, nextOffset: Math.max(...offsets) + 1 };
      });
      let swallowed = 0;
      proxy.onRequest = (apiKey): Fate => (apiKey === apiKeys.offsetCommit && swallowed++ === 0 ? 'drop' : 'pass');
      await subscription.commit(commits);
      expect(swallowed).toBeGreaterThan(1);
      expect(await subscription.lag()).toBe(0);
    });

    test('messages deleted before they were read are told of, and reading goes on with the oldest that is left', async () => {
      const prefix = `${randomUUID()}.`;
      const told: unknown[] = [];
      const log = openLog(server.brokers, {
        prefix,
        createTopics: { [topic]: 1 },
        onOffsetOutOfRange: (...where) => void told.push(where),
      });
      await log.append(topic, messagesOf(0, 50));
      const before = await log.subscribe('g', topic);
      await pollCount(before, 10);
      await before.commit([{ group: 'g', topic, partition: 0, nextOffset: 10 }]);
      await before.close();
      const admin = new Kafka({ brokers: [server.brokers], logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      await admin.fetchTopicOffsets(prefix + topic);
      await admin.deleteTopicRecords({ topic: prefix + topic, partitions: [{ partition: 0, offset: '30' }] });
      await admin.disconnect();
      const after = await log.subscribe('g', topic);
      expect(numbers(await pollCount(after, 20))).toEqual(upTo(50).slice(30));
      expect(told).toEqual([[topic, 0, undefined, 30]]);
      await after.commit([{ group: 'g', topic, partition: 0, nextOffset: 50 }]);
      expect(await after.lag()).toBe(0);
    });

    test('what a transactional producer upstream aborts is never read, what it commits is', async () => {
      const prefix = `${randomUUID()}.`;
      const log = openLog(server.brokers, { prefix, createTopics: { [topic]: 1 } });
      await log.ping();
      const producer = new Kafka({ brokers: [server.brokers], logLevel: logLevel.NOTHING }).producer({
        transactionalId: prefix,
        idempotent: true,
        maxInFlightRequests: 1,
      });
      await producer.connect();
      // Of one producer, several of each in one answer to a fetch.
      for (let from = 0; from < 60; from += 10) {
        const transaction = await producer.transaction();
        const messages = messagesOf(from, from + 10).map(({ key, value }) => ({ key, value: Buffer.from(value) }));
        await transaction.send({ topic: prefix + topic, messages });
        await (from % 20 === 0 ? transaction.abort() : transaction.commit());
      }
      await producer.disconnect();
      expect(numbers(await readAll(log, topic))).toEqual(upTo(60).filter((n) => Math.floor(n / 10) % 2 === 1));
    });

    // The other's fetches are Holdfast's own; whether the watch wakes does not depend on who should have fetched.
    if (client === 'kafkajs')
      test('a consumer that stops without a word is noticed', async () => {
        const prefix = `${randomUUID()}.`;
        await openLog(server.brokers, { prefix }).ping();
        let consumer: Consumer | undefined;
        const real = createClient({ brokers: [server.brokers] }, () => {});
        const topicName = prefix + topic;
        const subscription: Subscription & { start(): Promise<void> } = new KafkaSubscription({
          member: (events) =>
            new KafkajsMember(
              () =>
                Object.assign(Object.create(real) as Kafka, {
                  consumer: (...args: Parameters<Kafka['consumer']>) => (consumer = real.consumer(...args)),
                }),
              topicName,
              topicName,
              events,
              () => {},
            ),
          group: 'g',
          topic,
          topicName,
          lag: () => Promise.resolve(new Map<number, number>()),
          onOffsetOutOfRange: () => {},
          stallMsMax: 1500,
        });
        await subscription.start();
        expect(await subscription.poll(1, pollMs)).toEqual([]);
        // As long as it fetches, quiet is not a stall.
        for (let i = 0; i < 5; i++) expect(await subscription.poll(1, pollMs)).toEqual([]);
        await openLog(server.brokers, { prefix }).append(topic, messagesOf(0, 1));
        const [message] = await pollCount(subscription, 1);
        await consumer?.stop();
        await expect(subscription.poll(1, 30_000)).rejects.toThrow(SubscriptionDead);
        // Whoever only commits hears of it too, and does not try for ever.
        const { partition, offset } = message as Message;
        const commit = subscription.commit([{ group: 'g', topic, partition, nextOffset: offset + 1 }]);
        await expect(commit).rejects.toThrow(SubscriptionDead);
        await subscription.close();
      });

    test('a crash that the client does not restart from ends the subscription by name', async () => {
      const log = openLog(server.brokers);
      await log.append(topic, messagesOf(0, 1));
      const members = [await log.subscribe('full', topic), await log.subscribe('full', topic)];
      // The broker allows two members in a group: the third is refused for good.
      const refused = await log.subscribe('full', topic);
      await expect(refused.poll(1, 30_000)).rejects.toThrow(SubscriptionDead);
      const commit = refused.commit([{ group: 'full', topic, partition: 0, nextOffset: 1 }]);
      await expect(commit).resolves.toBeUndefined();
      await Promise.all([...members, refused].map((member) => member.close()));
    });

    // Answered in two steps each: one may end before, the other begin after everything is disconnected, and kafkajs connects again.
    test('closed in the middle of a question, at whatever moment, it leaves no connection', async () => {
      const sockets = (): number =>
        process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;
      const before = sockets();
      const topicName = `${randomUUID()}.${topic}`;
      for (let turns = 0; turns < 60; turns++) {
        const opened = await openClient(client, { brokers: [server.brokers] }, () => {});
        await opened.createTopics(new Map([[topicName, 1]]));
        const asked = Promise.allSettled([opened.ends(topicName), opened.positions('g', topicName)]);
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        await opened.close();
        await asked;
        await expect(opened.ping()).rejects.toThrow('the log is closed');
      }
      await expect.poll(sockets).toBe(before);
    });

    test('an idle connection does not keep its process awake', async () => {
      const log = openLog(server.brokers);
      await log.append(topic, messagesOf(0, 1));
      const before = process.cpuUsage();
      let immediate = 0;
      const until = performance.now() + 500;
      const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      while (performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        immediate = Math.max(immediate, process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);
      }
      // kafkajs re-arms a timer of 1 ms a connection; with it there would be more of them than before.
      expect(immediate).toBeLessThanOrEqual(timers);
      expect(process.cpuUsage(before).user).toBeLessThan(400_000);
    });
  },
);
