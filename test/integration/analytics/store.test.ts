/** The ClickHouse store on the real embedded engine, in this process (vitest's forks pool: a process a file). */
import type { ClickHouseClient } from '@clickhouse/client';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { run, select } from '../../../src/adapters/clickhouse/client.ts';
import { migrateDatabase, planMigrations } from '../../../src/adapters/clickhouse/migrate.ts';
import { tableRowsOf } from '../../../src/adapters/clickhouse/rows.ts';
import { type ClickHouseStore, createClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import type { AnalyticsBlock } from '../../../src/pipeline/ports.ts';
import { useChdb } from '../../helpers/chdb.ts';
import { decode, featureNames, makeLabel, makeRows, seededRandom, startMs } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
let client: ClickHouseClient;
let database: string;
let store: ClickHouseStore;

const count = async (table: string): Promise<number> =>
  (await select<{ n: number }>(client, `SELECT count() AS n FROM ${database}.${table}`, {}))[0]?.n ?? -1;

function block(token: string, from: number, rows: number): AnalyticsBlock {
  const random = seededRandom(seed + from);
  const made = makeRows(random, from, rows);
  const labels = made.slice(0, 20).map((row) => makeLabel(random, row.record, startMs + 86_400_000));
  return { token, rows: made, labels };
}

const freshStore = useChdb((fresh) => {
  ({ client, database, store } = fresh);
});
beforeEach(freshStore);

describe(`blocks (seed ${seed})`, { timeout: 120_000 }, () => {
  it('a block that crosses a month is inserted once, however often it is delivered', async () => {
    const one = block('t1', 0, 3_000);
    const hits = tableRowsOf(one)[1]?.rows.length;
    for (let delivery = 0; delivery < 3; delivery += 1) await store.insertBlock(one);
    expect([await count('decisions'), await count('rule_hits'), await count('labels')]).toEqual([3_000, hits, 20]);
    await store.insertBlock(block('t2', 3_000, 500));
    await store.insertBlock(one);
    expect(await count('decisions')).toBe(3_500);
  });

  it('a block whose token was remembered but whose rows were lost (killed between the two) is mended by the retry', async () => {
    const one = block('t1', 0, 2_000);
    await store.insertBlock(one);
    // What a kill leaves: the token in the engine's log, the rows (here: those of one month, and all hits) gone.
    const lose = (table: string, condition: string): Promise<unknown> =>
      client.command({
        query: `ALTER TABLE ${database}.${table} DELETE WHERE ${condition} SETTINGS mutations_sync = 2`,
      });
    await lose(
      'decisions',
      `toYYYYMM(decidedAt) = ${new Date(startMs + 10_000).toISOString().slice(0, 7).replace('-', '')}`,
    );
    await lose('rule_hits', '1');
    await store.insertBlock(one);
    expect(await count('decisions')).toBeLessThan(1_500);
    expect(await count('rule_hits')).toBe(0);
    await store.insertAgain(one);
    await store.insertAgain(one);
    const hits = tableRowsOf(one)[1]?.rows.length;
    expect([await count('decisions'), await count('rule_hits'), await count('labels')]).toEqual([2_000, hits, 20]);
  });

  it('rows that are already there in blocks of other boundaries are not inserted again', async () => {
    await store.insertBlock(block('a', 0, 700));
    await store.insertAbsent({ ...block('b', 0, 1_500) });
    expect(await count('decisions')).toBe(1_500);
  });

  it('a row keeps every field: original texts byte for byte, large amounts, missing features, bounds', async () => {
    const one = block('t1', 0, 50);
    await store.insertBlock(one);
    const rows = await select<Record<string, unknown>>(
      client,
      `SELECT *, toUnixTimestamp64Milli(decidedAt) AS decidedAtMs FROM ${database}.decisions ORDER BY paymentId`,
      {},
    );
    const decoder = new TextDecoder();
    for (const [index, { record }] of one.rows.entries()) {
      const row = rows[index] ?? {};
      expect(row['decision']).toBe(decoder.decode(record.decision));
      expect(row['payment']).toBe(decoder.decode(record.payment));
      expect(row['amountMinor']).toBe(
        (JSON.parse(decoder.decode(record.payment)) as { amountMinor: number }).amountMinor,
      );
      expect(row['decidedAtMs']).toBe(startMs + index * 7);
      for (const [feature, name] of featureNames.entries()) {
        const value = record.features[feature] ?? Number.NaN;
        expect(row[name === 'ratio' ? 'feature.ratio' : name]).toBe(Number.isNaN(value) ? null : value);
      }
      expect(row['featureBounds']).toEqual(record.bounds[0] === 2 ? { 'customer.count.24h': 2 } : {});
    }
  });

  it('any text a payment or a rule can hold comes back as it was: tabs, quotes, backslashes, NUL, semicolons at the end', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
    const nasty = fc.oneof(
      text,
      fc.constantFrom('\\N', '\\', ';', "');", '\t\n\r\0\b\f', ' lead', "'", '{}', '[]', '--', '__proto__'),
    );
    const samples = fc.sample(fc.tuple(nasty, nasty, nasty), { numRuns: 200, seed });
    const made = block('texts', 0, samples.length);
    const rows = made.rows.map((row, i) => {
      const [customerId, ruleId, attribute] = samples[i] ?? ['', '', ''];
      const { decision, payment } = decode(row.record);
      const changed = {
        decision: { ...decision, rules: [{ id: ruleId, version: 1 }] },
        payment: { ...payment, customerId, attributes: { [attribute]: attribute } },
      };
      const encoder = new TextEncoder();
      const record = {
        ...row.record,
        decision: encoder.encode(JSON.stringify(changed.decision)),
        payment: encoder.encode(JSON.stringify(changed.payment)),
      };
      return { ...row, record };
    });
    await store.insertBlock({ token: 'texts', rows, labels: [] });
    const found = await select<{ customerId: string; rules: string[]; attributes: Record<string, string> }>(
      client,
      `SELECT customerId, rules, attributes FROM ${database}.decisions ORDER BY paymentId`,
      {},
    );
    expect(found.map((row) => [row.customerId, row.rules[0], Object.entries(row.attributes)])).toEqual(
      samples.map(([customerId, ruleId, attribute]) => [customerId, ruleId, [[attribute, attribute]]]),
    );
  });

  it('a release with new features adds columns; older rows read NULL there, and both fit one block', async () => {
    await store.insertBlock(block('old', 0, 10));
    const newer = block('new', 10, 10);
    const names = ['terminal.fraudRate.7d.delay7d', featureNames[0] ?? '', 'odd`name\\.1h'];
    const mixed = newer.rows.map((row, i) => (i % 2 === 0 ? row : { ...row, featureNames: names }));
    await store.insertBlock({ ...newer, rows: mixed });
    const rows = await select<{ paymentId: string; fresh: number | null; shared: number | null; odd: number | null }>(
      client,
      `SELECT paymentId, \`terminal.fraudRate.7d.delay7d\` AS fresh, \`customer.count.24h\` AS shared, \`odd\\\`name\\\\.1h\` AS odd
       FROM ${database}.decisions ORDER BY paymentId`,
      {},
    );
    const value = (features: Float64Array | undefined, i: number): number | null => {
      const given = features?.[i] ?? Number.NaN;
      return Number.isNaN(given) ? null : given;
    };
    expect(rows.slice(0, 10).every((row) => row.fresh === null)).toBe(true);
    for (const [i, row] of rows.slice(10).entries()) {
      const features = mixed[i]?.record.features;
      const fresh = i % 2 === 1;
      expect(row.fresh).toBe(fresh ? value(features, 0) : null);
      expect(row.shared).toBe(value(features, fresh ? 1 : 0));
      expect(row.odd).toBe(fresh ? value(features, 2) : null);
    }
  });
});

describe('migrations', () => {
  const first = {
    version: 1,
    name: 'first',
    statements: ['CREATE TABLE IF NOT EXISTS {db}.notes (n UInt8) ENGINE = MergeTree ORDER BY n'],
  };
  const second = {
    version: 2,
    name: "it's new",
    statements: ['ALTER TABLE {db}.notes ADD COLUMN IF NOT EXISTS note String'],
  };
  beforeEach(() => {
    database = `${database}_bare`;
    store = createClickHouseStore(client, { database });
  });

  it('run once each, in order, again without effect', async () => {
    expect(await planMigrations(client, database, [first])).toEqual({ current: 0, pending: [first] });
    expect(await migrateDatabase(client, database, [first])).toEqual([1]);
    expect(await planMigrations(client, database, [first, second])).toEqual({ current: 1, pending: [second] });
    expect(await migrateDatabase(client, database, [first, second])).toEqual([2]);
    expect(await migrateDatabase(client, database, [first, second])).toEqual([]);
  });

  it('a database that is newer, or whose migration was another, is refused with a sentence', async () => {
    await migrateDatabase(client, database, [first, { ...second, version: 99 }]);
    await expect(store.migrate()).rejects.toThrow(/has schema 99, this program knows \d+: use a newer Holdfast/);
    const edited = { ...first, statements: [...first.statements, 'SELECT 1'] };
    await expect(migrateDatabase(client, database, [edited, { ...second, version: 99 }])).rejects.toMatchObject({
      name: 'AnalyticsRefused',
      message: 'migration 1 of the analytics database is not the one this program knows',
    });
  });

  it('two at once do no harm, and a database of the first version without checksums goes on from there', async () => {
    const other = createClickHouseStore(client, { database });
    await Promise.all([store.migrate(), other.migrate(), store.migrate()]);
    await store.insertBlock(block('t1', 0, 100));
    expect(await count('decisions')).toBe(100);
    await run(client, `ALTER TABLE ${database}.schema_migrations DROP COLUMN checksum`);
    await run(client, `ALTER TABLE ${database}.schema_migrations DELETE WHERE version > 1 SETTINGS mutations_sync = 2`);
    expect((await planMigrations(client, database)).current).toBe(1);
    await store.migrate();
    expect((await planMigrations(client, database)).pending).toEqual([]);
    expect(await count('decisions')).toBe(100);
  });

  it('rows that have expired already are left out, and a block of them is no reason to stop', async () => {
    await store.migrate();
    const old = block('old', 0, 0);
    const rows = makeRows(seededRandom(seed), 0, 50, { decidedAtMs: Date.UTC(2020, 0, 1) });
    await store.insertAbsent({ ...old, rows: [...rows, ...makeRows(seededRandom(seed), 50, 10)] });
    expect(await count('decisions')).toBe(10);
  });

  it('rows expire after the configured months, by whole parts, and another setting takes effect at the next start', async () => {
    const keeping = (rawMonths: number) =>
      createClickHouseStore(client, { database, retention: { rawMonths, rollUpMonths: 60 } });
    await keeping(13).migrate();
    await store.insertBlock(block('t1', 0, 2_000));
    await run(client, `OPTIMIZE TABLE ${database}.decisions FINAL`);
    const before = await count('decisions');
    await keeping(1).migrate();
    await run(client, `OPTIMIZE TABLE ${database}.decisions FINAL`);
    expect([before, await count('decisions')]).toEqual([2_000, 0]);
    const sums = await select<{ n: number }>(
      client,
      `SELECT sum(decisions) AS n FROM ${database}.decisions_per_minute FINAL WHERE ruleId = ''`,
      {},
    );
    expect(sums[0]?.n).toBe(2_000);
  });
});

describe('the health of a model', { timeout: 60_000 }, () => {
  it('is a row a measure, and written again for the same time it stands once', async () => {
    const record = {
      tenantId: 'default',
      atMs: startMs,
      model: { id: 'm', version: 'b'.repeat(64), role: 'champion' as const },
      measures: [
        { name: 'psi', input: '(score)', value: 0.25 },
        { name: 'missing_ratio', input: 'amountMinor', value: 0 },
      ],
    };
    await store.recordHealth(record);
    await store.recordHealth({ ...record, measures: record.measures.map((one) => ({ ...one, value: one.value + 1 })) });
    await store.recordHealth({ ...record, atMs: startMs + 1, measures: [] });
    const rows = await select(
      client,
      `SELECT role, measure, input, value, toUnixTimestamp64Milli(measuredAt) AS atMs FROM ${database}.model_health FINAL ORDER BY measure`,
      {},
    );
    expect(rows).toEqual([
      { role: 'champion', measure: 'missing_ratio', input: 'amountMinor', value: 1, atMs: startMs },
      { role: 'champion', measure: 'psi', input: '(score)', value: 1.25, atMs: startMs },
    ]);
  });
});
