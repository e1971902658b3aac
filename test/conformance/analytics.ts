/**
 * What every AnalyticsStore promises, as one suite: run on the embedded twin here, on a real ClickHouse in time. Pages and
 * numbers are compared with a naive filter over the same rows.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelAnalytics } from '../../src/pipeline/modelAnalytics.ts';
import type { AnalyticsStore, DecisionFilter } from '../../src/pipeline/ports.ts';
import { modelConformance } from './modelAnalytics.ts';
import { type Decoded, decode, makeLabel, makeRows, seededRandom, startMs } from '../integration/analytics/records.ts';

const rowsPerTenant = 400;
const minuteMs = 60_000;
const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);

function matches(row: Decoded, filter: DecisionFilter): boolean {
  const { decision, payment, decidedAtMs } = row;
  return (
    decision.tenantId === filter.tenantId &&
    decidedAtMs >= (filter.fromMs ?? 0) &&
    decidedAtMs < (filter.toMs ?? Number.POSITIVE_INFINITY) &&
    (filter.action === undefined || decision.action === filter.action) &&
    (filter.ruleId === undefined || decision.rules.some((rule) => rule.id === filter.ruleId)) &&
    (filter.customerId === undefined || payment['customerId'] === filter.customerId) &&
    decision.score >= (filter.scoreMin ?? 0) &&
    decision.score <= (filter.scoreMax ?? 1)
  );
}

const newestFirst = (a: Decoded, b: Decoded): number =>
  b.decidedAtMs - a.decidedAtMs || (a.decision.paymentId < b.decision.paymentId ? 1 : -1);

export function analyticsConformance(
  name: string,
  open: () => Promise<{ store: AnalyticsStore & ModelAnalytics; end(): Promise<void> }>,
): void {
  describe(`${name} (seed ${seed})`, { timeout: 120_000 }, () => {
    let store: AnalyticsStore & ModelAnalytics;
    let end: () => Promise<void>;
    const random = seededRandom(seed);
    // Three decisions share each moment, so that pages end between equal times.
    const made = ['default', 'other', 'spread'].flatMap((tenantId) =>
      Array.from({ length: rowsPerTenant }, (_, i) =>
        makeRows(random, i, 1, {
          tenantId,
          decidedAtMs: startMs + Math.floor(i / 3) * (tenantId === 'spread' ? 140_000 : 50),
        }),
      ).flat(),
    );
    const rows = made.map((row) => decode(row.record));
    const labels = made.filter((_, i) => i % 3 === 0).map((row) => makeLabel(random, row.record, startMs + 1e7));
    const relabelled = labels
      .slice(0, 30)
      .map((label) => ({ ...label, labelledAtMs: startMs + 2e7, label: 'fraud' as const }));

    beforeAll(async () => {
      ({ store, end } = await open());
      await store.migrate();
      await store.insertBlock({ token: 'rows', rows: made, labels });
      await store.insertBlock({ token: 'more labels', rows: [], labels: relabelled });
    });
    afterAll(async () => {
      await end();
    });

    async function pages(filter: DecisionFilter): Promise<unknown[]> {
      const found: unknown[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.findDecisions(cursor === undefined ? filter : { ...filter, cursor });
        expect(page.items.length).toBeLessThanOrEqual(filter.limit);
        found.push(...page.items);
        cursor = page.next;
      } while (cursor !== undefined);
      return found;
    }

    it('the pages of any filter, joined, are what a naive filter finds: same rows, same order, none twice', async () => {
      const at = fc.integer({ min: startMs - 500, max: startMs + 9_000 });
      const filters = fc.record(
        {
          tenantId: fc.constantFrom('default', 'other', 'nobody'),
          limit: fc.integer({ min: 20, max: 300 }),
          fromMs: at,
          toMs: at,
          action: fc.constantFrom('allow' as const, 'hold' as const),
          ruleId: fc.constantFrom('R-001', "R-'3", 'R-999', "' OR 1=1 --"),
          customerId: fc.constantFrom('C1', "O'Hara; DROP TABLE", '漢字\t', 'C-\u{1F600}', '{tenantId:String}'),
          scoreMin: fc.double({ min: 0, max: 1, noNaN: true }),
          scoreMax: fc.double({ min: 0, max: 1, noNaN: true }),
        },
        { requiredKeys: ['tenantId', 'limit'] },
      );
      await fc.assert(
        fc.asyncProperty(filters, async (filter) => {
          const expected = rows.filter((row) => matches(row, filter)).sort(newestFirst);
          expect(await pages(filter)).toEqual(expected.map(({ decision, payment }) => ({ decision, payment })));
        }),
        { numRuns: 25, seed },
      );
    });

    it("a cursor that the store did not make is refused as the caller's mistake", async () => {
      const forged = [
        '',
        'x',
        '!!',
        'a'.repeat(5_000),
        Buffer.from('[1,"x","p"]').toString('base64url'),
        Buffer.from('[2,1,"p"]').toString('base64url'),
      ];
      for (const cursor of forged) {
        await expect(store.findDecisions({ tenantId: 'default', limit: 5, cursor })).rejects.toMatchObject({
          name: 'InvalidCursor',
        });
      }
    });

    /** Compares a summary with a naive count over the same rows. */
    async function expectSummary(tenantId: string, fromMs: number, toMs: number, bucketMs: number): Promise<void> {
      const newest = new Map<string, 'fraud' | 'legitimate'>();
      for (const label of [...labels, ...relabelled]) newest.set(`${label.tenantId}/${label.paymentId}`, label.label);
      const inside = rows.filter((row) => matches(row, { tenantId, fromMs, toMs, limit: 0 }));
      const summary = await store.summary(tenantId, fromMs, toMs, bucketMs);
      const held = (row: Decoded): boolean => row.decision.action === 'hold';
      const labelled = (label: string): Decoded[] =>
        inside.filter((row) => newest.get(`${tenantId}/${row.decision.paymentId}`) === label);
      expect([summary.total, summary.holds]).toEqual([inside.length, inside.filter(held).length]);
      expect(summary.labels).toEqual({
        fraud: labelled('fraud').length,
        fraudHeld: labelled('fraud').filter(held).length,
        legitimate: labelled('legitimate').length,
        legitimateHeld: labelled('legitimate').filter(held).length,
      });
      for (const point of summary.series) {
        const bucket = inside.filter((row) => Math.floor(row.decidedAtMs / bucketMs) * bucketMs === point.atMs);
        expect([point.decisions, point.holds]).toEqual([bucket.length, bucket.filter(held).length]);
      }
      expect(summary.series.reduce((sum, point) => sum + point.decisions, 0)).toBe(inside.length);
      const fired = new Set(inside.flatMap((row) => row.decision.rules.map((rule) => rule.id)));
      expect(new Set(summary.topRules.map((rule) => rule.id))).toEqual(fired);
      for (const rule of summary.topRules) {
        const hit = inside.filter((row) => row.decision.rules.some((one) => one.id === rule.id));
        expect([rule.hits, rule.holds]).toEqual([hit.length, hit.filter(held).length]);
      }
      const latencies = inside.map((row) => row.decision.latencyMicros).sort((a, b) => a - b);
      expect(summary.latencyMicros.p99).toBeLessThanOrEqual(latencies.at(-1) ?? 0);
      expect(summary.latencyMicros.p50).toBeGreaterThanOrEqual(latencies[Math.floor(latencies.length * 0.4)] ?? 0);
    }

    it('the summary of a window counts what a naive count over its rows counts', async () => {
      const windows = fc.tuple(
        fc.integer({ min: 0, max: 3_000 }),
        fc.integer({ min: 1, max: 4_000 }),
        fc.constantFrom(50, 333, 1_000),
      );
      await fc.assert(
        fc.asyncProperty(windows, ([from, length, bucketMs]) =>
          expectSummary('other', startMs + from, startMs + from + length, bucketMs),
        ),
        { numRuns: 12, seed },
      );
    });

    it('so does the summary of hours, of which only the edges are counted row by row', async () => {
      const windows = fc.tuple(
        fc.integer({ min: -minuteMs, max: 60 * minuteMs }),
        fc.integer({ min: 25 * minuteMs, max: 300 * minuteMs }),
        fc.constantFrom(minuteMs, 5 * minuteMs, 61 * minuteMs, 60 * minuteMs + 1),
      );
      await fc.assert(
        fc.asyncProperty(windows, ([from, length, bucketMs]) =>
          expectSummary('spread', startMs + from, startMs + from + length, bucketMs),
        ),
        { numRuns: 12, seed },
      );
    });

    modelConformance(() => store, seed);

    it('a window that is empty or has too many buckets is refused', async () => {
      await expect(store.summary('default', 10, 10, 1)).rejects.toThrow(RangeError);
      await expect(store.summary('default', 0, 1e9, 1)).rejects.toThrow(RangeError);
    });
  });
}
