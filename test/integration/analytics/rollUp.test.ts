/** The sums a minute equal a count over the raw rows, whatever is delivered again, overlaps, or was lost and mended. */
import type { ClickHouseClient } from '@clickhouse/client';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { run, select } from '../../../src/adapters/clickhouse/client.ts';
import { migrateDatabase } from '../../../src/adapters/clickhouse/migrate.ts';
import { migrations } from '../../../src/adapters/clickhouse/schema.ts';
import type { ClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import type { AnalyticsBlock, AnalyticsRow } from '../../../src/pipeline/ports.ts';
import { useChdb } from '../../helpers/chdb.ts';
import { type Decoded, decode, makeRows, seededRandom, startMs } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
let client: ClickHouseClient;
let database: string;
let store: ClickHouseStore;

const freshStore = useChdb((fresh) => {
  ({ client, database, store } = fresh);
});
beforeEach(freshStore);

const minuteOf = (row: Decoded): number => Math.floor(row.decidedAtMs / 60_000) * 60;

interface Sums {
  readonly decisions: number;
  readonly holds: number;
  readonly amount: string;
  readonly heldAmount: string;
}

/** Minute and rule → sums, counted naively over each payment once. */
function expectedSums(rows: readonly AnalyticsRow[]): Map<string, Sums> {
  const once = new Map(rows.map(({ record }) => [record.paymentId, decode(record)]));
  const sums = new Map<string, { decisions: number; holds: number; amount: bigint; heldAmount: bigint }>();
  for (const row of once.values()) {
    for (const rule of ['', ...row.decision.rules.map(({ id }) => id)]) {
      const key = `${minuteOf(row)} ${rule}`;
      const sum = sums.get(key) ?? { decisions: 0, holds: 0, amount: 0n, heldAmount: 0n };
      const amount = BigInt(row.payment['amountMinor'] as number);
      const held = row.decision.action === 'hold';
      sums.set(key, {
        decisions: sum.decisions + 1,
        holds: sum.holds + (held ? 1 : 0),
        amount: sum.amount + amount,
        heldAmount: sum.heldAmount + (held ? amount : 0n),
      });
    }
  }
  return new Map(
    [...sums].map(([key, sum]) => [key, { ...sum, amount: `${sum.amount}`, heldAmount: `${sum.heldAmount}` }]),
  );
}

async function storedSums(): Promise<Map<string, Sums>> {
  const rows = await select<Sums & { minute: number; ruleId: string; median: number }>(
    client,
    `SELECT toUnixTimestamp(minute) AS minute, ruleId, decisions, holds, toString(amountMinor['EUR']) AS amount,
            toString(heldAmountMinor['EUR']) AS heldAmount
     FROM ${database}.decisions_per_minute FINAL`,
    {},
  );
  return new Map(
    rows.map(({ minute, ruleId, decisions, holds, amount, heldAmount }) => [
      `${minute} ${ruleId}`,
      { decisions, holds, amount, heldAmount },
    ]),
  );
}

describe(`sums a minute (seed ${seed})`, { timeout: 120_000 }, () => {
  it('blocks in any order, again and again, in any of the three ways, and blocks that overlap: as a naive count of each payment once', async () => {
    const rows = Array.from({ length: 1_200 }, (_, i) =>
      makeRows(seededRandom(seed + i), i, 1, { decidedAtMs: startMs + i * 150 }),
    ).flat();
    const ways = ['insertBlock', 'insertAgain', 'insertAbsent'] as const;
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 22 }), fc.constantFrom(...ways)), {
      minLength: 5,
      maxLength: 14,
    });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), steps, async (overlapping, deliveries) => {
        await freshStore();
        const delivered: AnalyticsRow[] = [];
        for (const [place, way] of deliveries) {
          // For blocks of other boundaries than those before there is one way only.
          const from = overlapping ? place * 50 : (place >> 1) * 100;
          const part = rows.slice(from, from + 100);
          await store[overlapping ? 'insertAbsent' : way]({ token: `${from}`, rows: part, labels: [] });
          delivered.push(...part);
        }
        expect(await storedSums()).toEqual(expectedSums(delivered));
      }),
      { numRuns: 6, seed },
    );
  });

  it('a crash between the rows and their sums, and rows that were lost, are mended when the block comes again', async () => {
    const rows = makeRows(seededRandom(seed), 0, 500);
    const block: AnalyticsBlock = { token: 'one', rows, labels: [] };
    await store.insertBlock(block);
    await run(client, `TRUNCATE TABLE ${database}.decisions_per_minute`);
    await store.insertAgain(block);
    expect(await storedSums()).toEqual(expectedSums(rows));
    await run(
      client,
      `ALTER TABLE ${database}.decisions DELETE WHERE paymentId < 'p-0000100' SETTINGS mutations_sync = 2`,
    );
    await store.insertAbsent(block);
    expect(await storedSums()).toEqual(expectedSums(rows));
  });

  it('tables that were filled before there were sums get theirs by the migration', async () => {
    const rows = makeRows(seededRandom(seed), 0, 500);
    await store.insertBlock({ token: 'one', rows, labels: [] });
    await run(client, `DROP TABLE ${database}.decisions_per_minute SYNC`);
    await run(client, `ALTER TABLE ${database}.schema_migrations DELETE WHERE version = 2 SETTINGS mutations_sync = 2`);
    expect(await migrateDatabase(client, database, migrations)).toContain(2);
    expect(await storedSums()).toEqual(expectedSums(rows));
  });
});
