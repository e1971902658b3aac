/** What every DecisionStore must do, embedded or not. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Label } from '../../src/domain/label.ts';
import { decodeRecord } from '../../src/pipeline/codec.ts';
import type { DecisionRecord, DecisionStore, EventLog } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';
import { readAll } from '../helpers/messages.ts';
import { noDeadlines, plain, recordOf } from './records.ts';

/** A poll that would bring something brings it well within this. */
const pollMs = 20_000;

export interface StoreUnderTest {
  readonly decisions: DecisionStore;
  /** The log that the store writes the decisions topic of. */
  readonly log: EventLog;
  /** The same data through new connections, as after a restart. The old ones are closed by it. */
  reopen(): Promise<StoreUnderTest>;
  /** Closes it and removes what it made. */
  dispose(): Promise<void>;
}

export function decisionStoreConformance(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`decision store: ${name}`, () => {
    let under: StoreUnderTest;
    let batch = 0;
    beforeEach(async () => {
      under = await makeStore();
    });
    afterEach(() => under.dispose());

    const record = (records: readonly DecisionRecord[], deadlines = noDeadlines(records)) =>
      under.decisions.record(records, deadlines, ++batch, []);
    const lookup = async (ids: readonly string[], tenantId = 'default') =>
      (await under.decisions.lookup(tenantId, ids)).map(plain);

    async function decided(): Promise<string[]> {
      const messages = await readAll(under.log, topics.decisions);
      return messages.map(({ value }) => decodeRecord(value).paymentId);
    }

    test('a recorded decision is found again, whole; an unknown id is undefined, in the order asked', async () => {
      const records = ['a', 'b', 'ü'.repeat(64)].map((id) => recordOf(id));
      const outcomes = await record(records);
      expect(outcomes.map(({ status }) => status)).toEqual(['recorded', 'recorded', 'recorded']);
      expect(outcomes.map(({ winner }) => plain(winner))).toEqual(records.map(plain));
      expect(await lookup(['ü'.repeat(64), 'nobody', 'a'])).toEqual([plain(records[2]), undefined, plain(records[0])]);
    });

    test('the first writer wins, and everyone after it is given the winner', async () => {
      await record([recordOf('a', { variant: '-first' })]);
      const [second] = await record([recordOf('a', { variant: '-second' })]);
      expect(second?.status).toBe('existing');
      expect(plain(second?.winner)).toEqual(plain(recordOf('a', { variant: '-first' })));
      expect(await lookup(['a'])).toEqual([plain(recordOf('a', { variant: '-first' }))]);
      expect(await decided()).toEqual(['a']);
    });

    test('of the same id twice in one call the first is recorded and the second is told so', async () => {
      const outcomes = await record([
        recordOf('a', { variant: '-1' }),
        recordOf('b'),
        recordOf('a', { variant: '-2' }),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['recorded', 'recorded', 'existing']);
      expect(plain(outcomes[2]?.winner)).toEqual(plain(recordOf('a', { variant: '-1' })));
    });

    test('of calls at the same time with the same ids exactly one wins each id, and all agree who', async () => {
      const writers = Array.from({ length: 8 }, (_, i) =>
        ['a', 'b', 'c'].map((id) => recordOf(id, { variant: `-${i}` })),
      );
      const answers = await Promise.all(writers.map((records) => record(records)));
      for (const column of [0, 1, 2]) {
        const outcomes = answers.map((answer) => answer[column]);
        expect(outcomes.filter((outcome) => outcome?.status === 'recorded')).toHaveLength(1);
        const winners = new Set(outcomes.map((outcome) => JSON.stringify(plain(outcome?.winner))));
        expect(winners.size).toBe(1);
      }
      expect((await decided()).sort()).toEqual(['a', 'b', 'c']);
    });

    test('tenants do not see each other: the same payment id is another payment', async () => {
      const one = recordOf('a', { tenantId: 'one' });
      const two = recordOf('a', { tenantId: 'two' });
      expect((await record([one])).map(({ status }) => status)).toEqual(['recorded']);
      expect((await record([two])).map(({ status }) => status)).toEqual(['recorded']);
      expect(await lookup(['a'], 'one')).toEqual([plain(one)]);
      expect(await lookup(['a'], 'two')).toEqual([plain(two)]);
      expect(await lookup(['a'], 'three')).toEqual([undefined]);
    });

    test('a row whose deadline is over is not written, its neighbours are, and it can be recorded later', async () => {
      const records = ['a', 'late', 'b'].map((id) => recordOf(id));
      const past = performance.now() - 1;
      const outcomes = await record(records, [performance.now() + 60_000, past, Number.POSITIVE_INFINITY]);
      expect(outcomes.map(({ status }) => status)).toEqual(['recorded', 'expired', 'recorded']);
      expect(outcomes[1]?.winner).toBeUndefined();
      expect(await lookup(['late'])).toEqual([undefined]);
      expect(await decided()).toEqual(['a', 'b']);
      expect((await record([recordOf('late')])).map(({ status }) => status)).toEqual(['recorded']);
    });

    test('an id that is decided is answered as decided even when the deadline of the second is over', async () => {
      await record([recordOf('a')]);
      const [outcome] = await record([recordOf('a')], [performance.now() - 1]);
      expect(outcome?.status).toBe('existing');
    });

    test('a consumer position that comes with decisions is durable with them', async () => {
      if (under.log.atomicWith !== under.decisions) return;
      const commit = { group: 'g', topic: topics.payments, partition: 0, nextOffset: 1 };
      await under.log.append(
        topics.payments,
        [1, 2, 3].map((n) => ({ key: `k${n}`, value: Uint8Array.of(n) })),
      );
      const records = [recordOf('a')];
      await under.decisions.record(records, noDeadlines(records), ++batch, [commit]);
      await under.decisions.record([], [], ++batch, [{ ...commit, nextOffset: 2 }]);
      under = await under.reopen();
      const subscription = await under.log.subscribe('g', topics.payments);
      expect((await subscription.poll(10, pollMs)).map(({ value }) => value[0])).toEqual([3]);
      await subscription.close();
      expect(await lookup(['a'])).toEqual([plain(recordOf('a'))]);
    });

    test('everything recorded is there after a restart, and still wins', async () => {
      const records = Array.from({ length: 300 }, (_, i) => recordOf(`p${i}`));
      await record(records);
      under = await under.reopen();
      const ids = records.map(({ paymentId }) => paymentId);
      expect(await lookup(ids)).toEqual(records.map(plain));
      const again = await record(records.map(({ paymentId }) => recordOf(paymentId, { variant: '-again' })));
      expect(again.every(({ status }) => status === 'existing')).toBe(true);
      expect(await decided()).toEqual(ids);
    });

    test('a label is recorded once, whoever repeats it, and kept in order', async () => {
      const label = (at: number, value: Label['label'] = 'fraud'): Label => {
        return { paymentId: 'a', label: value, source: 'chargeback', labelledAtMs: at };
      };
      await record([recordOf('a'), recordOf('b')]);
      expect(await under.decisions.recordLabels('default', [label(1), label(1), label(2)], ++batch)).toEqual([
        true,
        false,
        true,
      ]);
      expect(await under.decisions.recordLabels('default', [label(1), label(1, 'legitimate')], ++batch)).toEqual([
        false,
        true,
      ]);
      expect(await under.decisions.recordLabels('other', [label(1)], ++batch)).toEqual([true]);
      under = await under.reopen();
      expect(await under.decisions.recordLabels('default', [label(2)], ++batch)).toEqual([false]);
      expect(await under.decisions.labelsOf('default', 'a')).toEqual([label(1), label(2), label(1, 'legitimate')]);
      expect(await under.decisions.labelsOf('default', 'b')).toEqual([]);
      expect(await decided()).toEqual(['a', 'b']);
    });
  });
}
