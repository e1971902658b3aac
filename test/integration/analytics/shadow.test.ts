/** Scores of challengers in the real embedded engine: each payment and challenger is one row, however its block is delivered. */
import type { ClickHouseClient } from '@clickhouse/client';
import { beforeEach, describe, expect, it } from 'vitest';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import type { ClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import type { AnalyticsBlock, AnalyticsRow } from '../../../src/pipeline/ports.ts';
import { createShadowScorer, shadowMsPerBlockMax } from '../../../src/pipeline/shadow.ts';
import { withShadow } from '../../../src/pipeline/shadowStore.ts';
import { compileChallengers, compileRelease } from '../../../src/releases/compile.ts';
import { challenged } from '../../../src/releases/promotion.ts';
import { useChdb } from '../../helpers/chdb.ts';
import { decidedPayments } from '../../helpers/decided.ts';
import { defaultBundle, modelOf, shifted } from '../../helpers/models.ts';

let client: ClickHouseClient;
let database: string;
let store: ClickHouseStore;
const freshStore = useChdb((fresh) => {
  ({ client, database, store } = fresh);
});
beforeEach(freshStore);

const bundle = await defaultBundle();
const bold = shifted(modelOf(bundle), 'bold', 1);
const withBoth = challenged(challenged(bundle, bold), shifted(bold, 'bolder', 1));
const release = await compileRelease(withBoth);
const challengers = await compileChallengers(withBoth);
const rows: AnalyticsRow[] = decidedPayments(release, 600).map(({ record }) => ({
  record,
  featureNames: release.features.names,
}));
const block = (from: number, to: number, token = `${from}-${to}`): AnalyticsBlock => ({
  token,
  rows: rows.slice(from, to),
  labels: [],
});

const scorer = (spentMs: () => number = () => 0) =>
  createShadowScorer({
    challengersOf: () => Promise.resolve(challengers),
    share: 1,
    spentMs,
    onFailure: (error) => {
      throw error;
    },
  });

async function counts(): Promise<unknown> {
  const found = await select(
    client,
    `SELECT count() AS scores, uniqExact(paymentId, modelVersion) AS distinct, uniqExact(modelId) AS models,
       (SELECT count() FROM ${database}.decisions) AS decisions FROM ${database}.shadow_scores`,
    {},
  );
  return found[0];
}
const scored = (payments: number) => ({ scores: 2 * payments, distinct: 2 * payments, models: 2, decisions: payments });

describe('scores of challengers', () => {
  it('are one row each, when a block is delivered again and when blocks overlap', async () => {
    const shadowed = withShadow(store, scorer());
    await shadowed.insertBlock(block(0, 300));
    await shadowed.insertBlock(block(0, 300));
    await shadowed.insertAgain(block(0, 300));
    expect(await counts()).toEqual(scored(300));
    await shadowed.insertAbsent(block(200, 450));
    await shadowed.insertNew(block(350, 600));
    expect(await counts()).toEqual(scored(600));
  });

  it('of a block that was cut short are completed when it comes again, and none is doubled', async () => {
    let clockMs = 0;
    const hurried = withShadow(
      store,
      scorer(() => (clockMs += shadowMsPerBlockMax / 2)),
    );
    await hurried.insertBlock(block(0, 600));
    const before = (await counts()) as { scores: number; distinct: number };
    expect(before.scores).toBe(before.distinct);
    expect(before.scores).toBeLessThan(1_200);
    await withShadow(store, scorer()).insertAgain(block(0, 600));
    expect(await counts()).toEqual(scored(600));
  });
});
