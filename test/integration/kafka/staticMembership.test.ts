/** A process with a name of its own in its groups (KIP-345) is restarted without the others noticing. */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { GroupMember, MemberEvents } from '../../../src/adapters/kafka/clientPort.ts';
import { PlatformaticClient } from '../../../src/adapters/platformatic/client.ts';
import { SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import type { Subscription } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { makeKafkaLog } from '../../helpers/kafkaLog.ts';
import { requires } from '../../helpers/requirements.ts';
import { sharedKafka } from '../../helpers/services/shared.ts';

const partitionCount = 4;
const waitMs = 30_000;

/** A member, and the partitions of each of its joins. */
interface Watched {
  readonly member: GroupMember;
  readonly joins: (readonly number[])[];
}

const joinedOnce = (watched: Watched): Promise<unknown> =>
  expect.poll(() => watched.joins.length, { timeout: waitMs }).toBeGreaterThan(0);

describe.skipIf(!requires('kafka').met)('static membership', { timeout: 120_000 }, () => {
  let brokers = '';
  beforeAll(async () => {
    brokers = await sharedKafka();
  }, 120_000);

  async function group(): Promise<{
    join: (instanceId: string | undefined) => Promise<Watched>;
    close: () => Promise<void>;
  }> {
    const client = new PlatformaticClient({ brokers: [brokers] }, () => {});
    const topic = `t-${randomUUID()}`;
    await client.createTopics(new Map([[topic, partitionCount]]));
    const join = async (instanceId: string | undefined): Promise<Watched> => {
      const joins: (readonly number[])[] = [];
      const events: MemberEvents = {
        alive: () => {},
        joined: (_, partitions) => joins.push(partitions),
        fetched: () => true,
        outOfRange: () => {},
        dead: () => {},
      };
      const member = client.member(`g-${topic}`, topic, events, instanceId);
      await member.start();
      return { member, joins };
    };
    return { join, close: () => client.close() };
  }

  /** Two members that share the partitions; then the second is restarted. */
  async function restarted(names: readonly [string | undefined, string | undefined]) {
    const { join, close } = await group();
    const staying = await join(names[0]);
    const going = await join(names[1]);
    await expect.poll(() => staying.joins.at(-1)?.length, { timeout: waitMs }).toBe(partitionCount / 2);
    const [before, share] = [staying.joins.length, going.joins.at(-1)];
    await going.member.leave();
    const back = await join(names[1]);
    await joinedOnce(back);
    return { staying, back, before, share, close };
  }

  // Guarantee: within its session it has its partitions again, and the other member neither joins anew nor loses its generation.
  test('a named member that comes back has its partitions, and nobody else joins again', async () => {
    const { staying, back, before, share, close } = await restarted(['a', 'b']);
    expect(back.joins).toEqual([share]);
    // A commit is refused while a group is shared out anew and after that.
    expect(await staying.member.commit([[staying.joins.at(-1)?.[0] ?? -1, 0]])).toBe(true);
    expect(staying.joins).toHaveLength(before);
    await Promise.all([staying.member.leave(), back.member.leave()]);
    await close();
  });

  // The measure above tells the difference: without names the other member joins again.
  test('one without a name makes the others join again', async () => {
    const { staying, back, before, close } = await restarted([undefined, undefined]);
    await expect.poll(() => staying.joins.length, { timeout: waitMs }).toBeGreaterThan(before);
    await Promise.all([staying.member.leave(), back.member.leave()]);
    await close();
  });

  // Guarantee: of two processes by mistake of one name the newer reads, and the older ends for good instead of putting it out again.
  test('one whose name another process takes is dead, and is not to come back', async () => {
    const first = await makeKafkaLog({ groupInstanceId: 'same' });
    const topic = topics.payments;
    const older = await first.log.subscribe('g', topic);
    const death = polledToDeath(older);
    const second = await first.another({ groupInstanceId: 'same' });
    const newer = await second.log.subscribe('g', topic);
    await expect(death).resolves.toMatchObject({ replaced: true, message: expect.stringContaining('INSTANCE_ID') });
    await first.log.append(topic, [{ key: 'k', value: Buffer.from('v') }]);
    const read: string[] = [];
    while (read.length === 0) read.push(...(await newer.poll(10, 100)).map(({ key }) => key));
    expect(read).toEqual(['k']);
    await Promise.all([older.close(), newer.close()]);
    await second.dispose();
    await first.dispose();
  });
});

async function polledToDeath(subscription: Subscription): Promise<SubscriptionDead> {
  for (;;) {
    try {
      await subscription.poll(10, 100);
    } catch (error) {
      if (error instanceof SubscriptionDead) return error;
      throw error;
    }
  }
}
