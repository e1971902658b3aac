import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Outbox } from '../../../src/pipeline/outbox.ts';
import { outboxGroup, startOutbox } from '../../../src/pipeline/outbox.ts';
import type { EventLog, Topic } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import type { LogUnderTest } from '../../conformance/eventLog.ts';
import { noDeadlines, recordOf } from '../../conformance/records.ts';
import { makeEmbedded } from '../../helpers/embedded.ts';
import type { EmbeddedUnderTest } from '../../helpers/embedded.ts';
import { makeKafkaLog } from '../../helpers/kafkaLog.ts';
import { readAll } from '../../helpers/messages.ts';
import { requires } from '../../helpers/requirements.ts';
import { sharedKafka } from '../../helpers/services/shared.ts';

class Refused extends Error {}

/** A log whose appends fail when told to: before they are made, or after (the reply is lost). */
function faulty(log: EventLog, fate: () => 'fine' | 'refused' | 'reply lost'): EventLog {
  return {
    subscribe: (group, topic) => log.subscribe(group, topic),
    read: (topic) => log.read(topic),
    close: () => log.close(),
    async append(topic, messages) {
      const now = fate();
      if (now === 'refused') throw new Refused();
      await log.append(topic, messages);
      if (now === 'reply lost') throw new Refused();
    },
  };
}

function outboxSuite(name: string, toTopic: Topic, makeTarget: () => Promise<LogUnderTest>): void {
  describe(`the outbox to ${name}`, () => {
    let source: EmbeddedUnderTest;
    let target: LogUnderTest;
    let running: Outbox | undefined;
    let recorded = 0;
    beforeEach(async () => {
      recorded = 0;
      [source, target] = await Promise.all([makeEmbedded(), makeTarget()]);
    });
    afterEach(async () => {
      await running?.stop();
      running = undefined;
      await Promise.all([source.dispose(), target.dispose()]);
    });

    async function record(count: number): Promise<void> {
      const records = Array.from({ length: count }, () => recordOf(`p${recorded++}`));
      await source.decisions.record(records, noDeadlines(records), recorded, []);
    }
    function start(to: EventLog = target.log, failures: unknown[] = []): Outbox {
      const onFailure = (error: unknown): void => void failures.push(error);
      return (running = startOutbox({ from: source.log, to, topic: topics.decisions, toTopic, onFailure }));
    }
    /** Nothing is left to forward, and the position says so. */
    async function forwarded(): Promise<void> {
      const subscription = await source.log.subscribe(outboxGroup, topics.decisions);
      await expect.poll(() => subscription.lag(), { timeout: 20_000 }).toBe(0);
      await subscription.close();
    }
    const allKeys = (): string[] => Array.from({ length: recorded }, (_, i) => `p${i}`);

    test('every decision arrives once and as it was, in order, also those recorded while it runs', async () => {
      await record(1500);
      start();
      await forwarded();
      await record(3);
      await forwarded();
      const messages = await readAll(target.log, toTopic);
      expect(messages.map(({ key }) => key).sort()).toEqual(allKeys().sort());
      const originals = new Map((await readAll(source.log, topics.decisions)).map(({ key, value }) => [key, value]));
      for (const { key, value } of messages) expect(Buffer.from(value).equals(originals.get(key) as Buffer)).toBe(true);
      const last = new Map<number, number>();
      for (const { partition, key } of messages) {
        expect(Number(key.slice(1))).toBeGreaterThan(last.get(partition) ?? -1);
        last.set(partition, Number(key.slice(1)));
      }
    });

    test('a target that refuses, and one whose replies are lost, cost repetitions and no decision', async () => {
      const fates = ['refused', 'reply lost', 'fine', 'reply lost', 'fine'] as const;
      let attempts = 0;
      const failures: unknown[] = [];
      await record(10);
      start(
        faulty(target.log, () => fates[attempts++] ?? 'fine'),
        failures,
      );
      await forwarded();
      await record(10);
      await forwarded();
      const keys = (await readAll(target.log, toTopic)).map(({ key }) => key);
      expect([...new Set(keys)].sort()).toEqual(allKeys().sort());
      expect(keys.length).toBeGreaterThan(recorded);
      expect(failures).toHaveLength(3);
      expect(running?.failure).toBeUndefined();
    });

    test('it goes on where it was after a restart', async () => {
      await record(20);
      start();
      await forwarded();
      await running?.stop();
      source = await source.reopen();
      await record(20);
      start();
      await forwarded();
      expect((await readAll(target.log, toTopic)).map(({ key }) => key).sort()).toEqual(allKeys().sort());
    });
  });
}

// The embedded log takes decisions only by recording them: another topic stands for it.
outboxSuite('the embedded log', topics.payments, () => makeEmbedded());
describe.skipIf(!requires('kafka').met)('Kafka', () => {
  beforeAll(sharedKafka, 120_000);
  outboxSuite('Kafka', topics.decisions, () => makeKafkaLog());
});
