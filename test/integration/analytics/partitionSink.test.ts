/** The sink over a partitioned log, against the real embedded engine: members die, lose partitions and their replies. */
import type { ClickHouseClient } from '@clickhouse/client';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import type { ClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import { decodeRecord, encodeRecordBytes } from '../../../src/pipeline/codec.ts';
import {
  createPartitionSink,
  type PartitionStore,
  type SinkSubscription,
} from '../../../src/pipeline/partitionSink.ts';
import { type Message, topics } from '../../../src/pipeline/ports.ts';
import { blockRowsMax, type NamedEntry } from '../../../src/pipeline/sinkBlock.ts';
import { createPartitionedLog } from '../../helpers/partitionedLog.ts';
import { useChdb } from '../../helpers/chdb.ts';
import { featureNames, makeRecord, seededRandom } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
const partitions = 4;
let client: ClickHouseClient;
let database: string;
let store: ClickHouseStore;

const freshStore = useChdb((fresh) => {
  ({ client, database, store } = fresh);
});

function decode({ value }: Message): NamedEntry | undefined {
  try {
    return { kind: 'decision', record: decodeRecord(value), featureNames };
  } catch {
    return undefined;
  }
}

async function counts(): Promise<Record<string, number>> {
  const rows = await select<Record<string, number>>(
    client,
    `SELECT count() AS decisions, uniqExact(paymentId) AS payments, sum(length(rules)) = (SELECT count() FROM ${database}.rule_hits) AS hits,
       (SELECT sum(decisions) FROM ${database}.decisions_per_minute FINAL WHERE ruleId = '') AS summed FROM ${database}.decisions`,
    {},
  );
  return rows[0] ?? {};
}

type Fate = 'works' | 'failsBefore' | 'replyLost' | 'halfWay';

/** A store whose next insert meets its fate. */
function fated(real: PartitionStore, next: () => Fate): PartitionStore {
  const insert =
    (method: 'insertNew' | 'insertAbsent') => async (block: Parameters<PartitionStore['insertNew']>[0]) => {
      const fate = next();
      if (fate === 'failsBefore') throw new Error('away');
      // What a process leaves that dies in the middle: some of the block's rows are there.
      if (fate === 'halfWay')
        await real.insertNew({
          ...block,
          token: `half ${block.token}`,
          rows: block.rows.filter((_, i) => i % 3 === 0),
        });
      else await real[method](block);
      if (fate !== 'works') throw new Error('the reply was lost');
    };
  return {
    rangesFrom: (...args) => real.rangesFrom(...args),
    async beginRange(range) {
      if (next() === 'failsBefore') throw new Error('away');
      await real.beginRange(range);
    },
    insertNew: insert('insertNew'),
    insertAbsent: insert('insertAbsent'),
  };
}

function openSink(
  subscription: Parameters<typeof createPartitionSink>[0]['subscription'],
  over: PartitionStore,
  unreadable: Message[] = [],
) {
  return createPartitionSink({
    topic: topics.decisions,
    group: 'holdfast-sink',
    subscription,
    store: over,
    decode,
    onUnreadable: (messages) => {
      unreadable.push(...messages);
      return Promise.resolve();
    },
  });
}

describe(`sink over a partitioned log (seed ${seed})`, { timeout: 180_000 }, () => {
  it('decisions appended twice, lost replies, crashes and rebalances at any time: each payment is one row', async () => {
    const event = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 60 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('again' as const), count: fc.integer({ min: 1, max: 40 }) }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('step' as const),
          member: fc.nat(1),
          fates: fc.array(fc.constantFrom<Fate>('works', 'failsBefore', 'replyLost', 'halfWay'), { maxLength: 3 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('assign' as const),
          owners: fc.array(fc.nat(1), { minLength: partitions, maxLength: partitions }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), member: fc.nat(1) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 40 }), async (events) => {
        await freshStore();
        const log = createPartitionedLog(partitions);
        const random = seededRandom(seed);
        const appended: { partition: number; value: Uint8Array; key: string }[] = [];
        let fates: Fate[] = [];
        const over = fated(store, () => fates.shift() ?? 'works');
        const members = [log.join(), log.join()] as const;
        const sinks = members.map((subscription) => openSink(subscription, over));
        const subscriptions: SinkSubscription[] = [...members];
        let owners = [0, 0, 1, 1];
        const assign = (): void => log.assign(owners.flatMap((member) => subscriptions[member] ?? []));
        assign();
        const append = (made: (typeof appended)[number]): void => log.append(made.partition, made.key, made.value);
        for (const one of events) {
          if (one.kind === 'append') {
            for (let i = 0; i < one.count; i += 1) {
              const record = makeRecord(random, appended.length);
              const made = {
                partition: Math.floor(random() * partitions),
                key: record.paymentId,
                value: encodeRecordBytes(record),
              };
              appended.push(made);
              append(made);
            }
          } else if (one.kind === 'again') {
            // The claim's winner is appended again after a crash: the same bytes, later in the same partition.
            for (let i = 0; i < one.count; i += 1) {
              const made = appended[Math.floor(random() * appended.length)];
              if (made !== undefined) append(made);
            }
          } else if (one.kind === 'step') {
            fates = [...one.fates];
            await sinks[one.member]?.step().catch(() => undefined);
          } else {
            if (one.kind === 'assign') owners = one.owners;
            else {
              const subscription = log.join();
              subscriptions[one.member] = subscription;
              sinks[one.member] = openSink(subscription, over);
            }
            assign();
          }
        }
        fates = [];
        for (let steps = 0; log.lag() > 0; steps += 1) {
          if (steps > 100) throw new Error('the sinks do not get to the end');
          for (const sink of sinks) await sink.step();
        }
        const payments = appended.length;
        if (payments > 0) expect(await counts()).toEqual({ decisions: payments, payments, hits: 1, summed: payments });
      }),
      { numRuns: 12, seed },
    );
  });

  it('a range that another began is made again with the same first and last offset, so that two inserts of it at one time are one', async () => {
    await freshStore();
    const log = createPartitionedLog(1);
    const random = seededRandom(seed);
    const append = (from: number, count: number): void => {
      for (let i = from; i < from + count; i += 1) log.append(0, `${i}`, encodeRecordBytes(makeRecord(random, i)));
    };
    append(0, 50);
    const zombie = log.join();
    const seen: string[] = [];
    let letGo = (): void => undefined;
    const slow = new Promise<void>((resolve) => (letGo = resolve));
    const held: PartitionStore = {
      ...store,
      async insertNew(block) {
        seen.push(block.token);
        await slow;
        await store.insertNew(block);
      },
    };
    log.assign([zombie]);
    const dying = openSink(zombie, held).step();
    await expect.poll(() => seen.length).toBe(1);
    append(50, 30);
    const heir = log.join();
    log.assign([heir]);
    const next = openSink(heir, {
      ...store,
      async insertAbsent(block) {
        seen.push(block.token);
        // Both look, find nothing, and insert.
        letGo();
        await Promise.all([dying, store.insertAbsent(block)]);
      },
    });
    expect((await next.step()).rows).toBe(50);
    expect((await next.step()).rows).toBe(30);
    expect(seen[0]).toBe(seen[1]);
    expect(await counts()).toMatchObject({ decisions: 80, payments: 80, hits: 1, summed: 80 });
  });

  it('a message that cannot be read goes to the dead letters before its offset is committed, and stops nothing', async () => {
    await freshStore();
    const log = createPartitionedLog(1);
    const random = seededRandom(seed);
    log.append(0, 'a', encodeRecordBytes(makeRecord(random, 0)));
    log.append(0, 'b', new Uint8Array([1, 2, 3]));
    log.append(0, 'c', encodeRecordBytes(makeRecord(random, 1)));
    const member = log.join();
    log.assign([member]);
    const unreadable: Message[] = [];
    await openSink(member, store, unreadable).step();
    expect(log.lag()).toBe(0);
    expect(unreadable.map(({ key }) => key)).toEqual(['b']);
    expect(await counts()).toMatchObject({ decisions: 2 });
  });

  it('while the store is away nothing more is polled than one block, however much there is', async () => {
    const one = encodeRecordBytes(makeRecord(seededRandom(1), 1));
    let polled = 0;
    const endless = {
      poll(max: number): Promise<readonly Message[]> {
        const messages = Array.from({ length: max }, (_, i) => ({
          partition: 0,
          offset: polled + i,
          key: '',
          value: one,
        }));
        polled += max;
        return Promise.resolve(messages);
      },
      commit: () => Promise.resolve(),
      lag: () => Promise.resolve(0),
    };
    const away: PartitionStore = {
      rangesFrom: () => Promise.resolve([]),
      beginRange: () => Promise.resolve(),
      insertNew: () => Promise.reject(new Error('away')),
      insertAbsent: () => Promise.reject(new Error('away')),
    };
    const sink = openSink(endless, away);
    await expect(sink.step()).rejects.toThrow('away');
    const once = polled;
    for (let i = 0; i < 20; i += 1) await expect(sink.step()).rejects.toThrow('away');
    expect(polled).toBe(once);
    expect(once).toBeLessThanOrEqual(blockRowsMax + 2_000);
  });
});
