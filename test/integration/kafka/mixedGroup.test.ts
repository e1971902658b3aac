/** Processes are restarted one by one when the client is changed: meanwhile a group has members of both. */
import { beforeAll, describe, expect, test } from 'vitest';
import { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import type { Subscription } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { makeKafkaLog } from '../../helpers/kafkaLog.ts';
import { requires } from '../../helpers/requirements.ts';
import { sharedKafka } from '../../helpers/services/shared.ts';

const topic = topics.payments;
const orders = [
  ['kafkajs', 'platformatic'],
  ['platformatic', 'kafkajs'],
] as const;
const messages = 200;
const pollMs = 100;

describe.skipIf(!requires('kafka').met)('a group with members of both clients', { timeout: 60_000 }, () => {
  beforeAll(sharedKafka, 120_000);

  // Guarantee: whichever of them leads the group, each gets a share of the partitions, and all of them are read.
  test.each(orders)('%s first, then %s: they share the partitions', async (first, second) => {
    const under = await makeKafkaLog({ client: first });
    const { prefix, brokers } = under;
    const other = new KafkaEventLog({ client: second, prefix, connection: { brokers: [brokers] } });
    const members = [await under.log.subscribe('g', topic), await other.subscribe('g', topic)];
    const keys = Array.from({ length: messages }, (_, i) => `k${i}`);
    await under.log.append(
      topic,
      keys.map((key) => ({ key, value: Buffer.from(key) })),
    );
    const seen = new Set<string>();
    const shares = new Map<Subscription, Set<number>>(members.map((member) => [member, new Set()]));
    while (seen.size < messages || [...shares.values()].some((share) => share.size === 0)) {
      for (const [member, share] of shares) {
        for (const { key, partition } of await member.poll(messages, pollMs)) {
          seen.add(key);
          share.add(partition);
        }
      }
      // One that had all of them before the other came gives some back, and those begin where the group has committed: nowhere.
    }
    expect([...seen].sort()).toEqual([...keys].sort());
    await Promise.all(members.map((member) => member.close()));
    await other.close();
    await under.dispose();
  });
});
