/**
 * Guarantee: what ClickHouse keeps of a decision is the decision: found by its payment's id, whatever that is, it has every byte and
 * bit that was recorded; and a release that was put there comes back as it was, once, however many put it there.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ClickHouseClient } from '@clickhouse/client';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import type { ClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import type { DecisionRecord } from '../../../src/pipeline/ports.ts';
import { useChdb } from '../../helpers/chdb.ts';
import { decode, featureNames, makeRows, seededRandom, startMs } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
const names = (): Promise<readonly string[]> => Promise.resolve(featureNames);
let store: ClickHouseStore;
let client: ClickHouseClient;
let database: string;
beforeEach(
  useChdb((fresh) => {
    ({ store, client, database } = fresh);
  }),
);

const plain = (record: DecisionRecord | undefined) =>
  record === undefined ? undefined : { ...record, features: [...record.features], bounds: [...record.bounds] };

/** Rows whose payments have these ids. */
function rowsOf(ids: readonly string[], tenantId = 'default') {
  const encoder = new TextEncoder();
  return makeRows(seededRandom(seed), 0, ids.length, { tenantId }).map((row, i) => {
    const paymentId = ids[i] ?? '';
    const { decision, payment } = decode(row.record);
    const record = {
      ...row.record,
      paymentId,
      decision: encoder.encode(JSON.stringify({ ...decision, paymentId })),
      payment: encoder.encode(JSON.stringify({ ...payment, paymentId })),
      // Values that only the same bits equal.
      features: row.record.features.map((value, k) => (Number.isNaN(value) ? value : Math.fround(value) / 3 + k)),
    };
    return { ...row, record };
  });
}

describe(`the archive (seed ${seed})`, { timeout: 120_000 }, () => {
  it('has each record as it was made, in the order asked for, of the right tenant, and knows what it does not have', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
    const nasty = fc.oneof(text, fc.constantFrom("'", '\\', "\\'", '\t\n\0', '[]', '{a:String}', '__proto__', "x'y"));
    const ids = [...new Set(fc.sample(nasty, { numRuns: 400, seed }))];
    const [own, others] = [rowsOf(ids), rowsOf(ids.slice(0, 50), 'other')];
    await store.insertBlock({ token: 'a', rows: own, labels: [] });
    await store.insertBlock({ token: 'b', rows: others, labels: [] });
    const asked = ['never seen', ...ids.toReversed()];
    const found = await store.findRecords('default', asked, names);
    const byId = new Map(own.map(({ record }) => [record.paymentId, record]));
    expect(found.map(plain)).toEqual(asked.map((id) => plain(byId.get(id))));
    expect((await store.findRecords('other', [ids.at(-1) ?? ''], names))[0]).toBeUndefined();
    expect(await store.findRecords('default', [], names)).toEqual([]);
  });

  it('has a record without features where nobody knows their names', async () => {
    const [row] = rowsOf(['a']);
    if (row === undefined) throw new Error('no row');
    await store.insertBlock({ token: 'a', rows: [row], labels: [] });
    const [found] = await store.findRecords('default', ['a'], () => Promise.resolve([]));
    expect(found).toEqual({ ...row.record, features: new Float64Array(), bounds: new Float64Array() });
  });

  it('has the labels of a payment, each once, the oldest first', async () => {
    const label = (label: 'fraud' | 'legitimate', daysLater: number) =>
      ({
        tenantId: 'default',
        paymentId: "a'\\",
        label,
        source: 'chargeback',
        labelledAtMs: startMs + daysLater * 1e8,
      }) as const;
    const other = { ...label('fraud', 1), paymentId: 'b' };
    await store.insertBlock({ token: 'l', rows: [], labels: [label('legitimate', 3), label('fraud', 2), other] });
    await store.insertBlock({ token: 'm', rows: [], labels: [label('fraud', 2)] });
    const { tenantId: _, ...first } = label('fraud', 2);
    const { tenantId: __, ...second } = label('legitimate', 3);
    expect(await store.findLabels('default', "a'\\")).toEqual([first, second]);
    expect(await store.findLabels('other', "a'\\")).toEqual([]);
  });

  it('keeps a release once, as it was', async () => {
    const [id, text] = [
      'c'.repeat(64),
      JSON.stringify({ a: 'tab\t "quoted" \\ NUL \0 漢字', big: 'x'.repeat(3_000_000) }),
    ];
    await Promise.all([store.keepRelease(id, text), store.keepRelease(id, text)]);
    await store.keepRelease(id, text);
    expect(await store.findRelease(id)).toBe(text);
    expect(await store.findRelease('d'.repeat(64))).toBeUndefined();
    const [rows] = await select<{ n: number }>(client, `SELECT count() AS n FROM ${database}.releases`, {});
    expect(rows?.n).toBeLessThanOrEqual(2);
  });
});
