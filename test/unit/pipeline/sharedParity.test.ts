// Guarantee: features recorded by processes that decide at one time on one state are found to be what the topics give, whatever
// the order in which the state saw them; a value that no order gives is shown; and what cannot be told is counted, never called
// a mismatch: a topic that begins later, too many payments of an entity, too many orders, releases that are not known.
import { describe, expect, it } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { ParityReport } from '../../../src/pipeline/parityTypes.ts';
import { checkSharedParity } from '../../../src/pipeline/sharedParity.ts';
import type { SharedParityOptions } from '../../../src/pipeline/sharedParityTypes.ts';
import { compileRelease } from '../../../src/releases/compile.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { defaultBundle } from '../../helpers/models.ts';
import { type SharedDecisions, sharedDecisions } from '../../helpers/sharedTopics.ts';

const seed = testSeed();
const release = await compileRelease(await defaultBundle());
const features = release.features.names.length;
const count = 600;
const atOnce = 5;
const shared = sharedDecisions(release, { count, atOnce, seed });

let turns = 0;
function check({ topics }: SharedDecisions, options: Partial<SharedParityOptions> = {}): Promise<ParityReport> {
  return checkSharedParity({
    log: topics,
    programOf: () => release.features,
    createMemory: (program) => createVelocityMemory(program),
    claimMs: 7 * 86_400_000,
    sample: 150,
    lookBackEntries: count,
    entriesMax: 10 * count,
    relatedPaymentsMax: count,
    trialAppendsMax: 2_000_000,
    seed,
    decidedBeforeMs: Number.POSITIVE_INFINITY,
    pause: () => {
      turns++;
      return Promise.resolve();
    },
    ...options,
  });
}

describe(`the parity check over topics (seed ${seed})`, () => {
  it('finds every value, in the order of the log or in another that the times allow', async () => {
    const report = await check(shared);
    expect(report).toMatchObject({ sampled: 150, compared: 150, mismatches: 0, notCovered: 0, shown: [] });
    expect(report.notComparable).toEqual({});
    expect(report.values).toBe(150 * features);
    // Those counted in another order than they occurred are what the trials are for.
    expect(report.otherOrder).toBeGreaterThan(0);
  });

  it('shows a value that no order gives, and only that', async () => {
    const planted = count - 2;
    const other = sharedDecisions(release, { count, atOnce, seed }, (message, i) =>
      i === planted ? message.replace(/("customer\.count\.24h":\{"value":)\d+/, '$1444') : message,
    );
    const { mismatches, shown } = await check(other, { sample: count });
    const paymentId = shared.records[planted]?.paymentId;
    expect({ mismatches, shown }).toEqual({
      mismatches: 1,
      shown: [
        {
          tenantId: 'default',
          paymentId,
          feature: 'customer.count.24h',
          online: 444,
          recomputed: expect.any(Number),
        },
      ],
    });
  });

  it('shows a value of a payment that nobody came near in time, however little may be tried', async () => {
    const planted = count - 2;
    const other = sharedDecisions(release, { count, atOnce: 1, seed }, (message, i) =>
      i === planted ? message.replace(/("customer\.count\.24h":\{"value":)\d+/, '$1444') : message,
    );
    const { mismatches, shown } = await check(other, { sample: count, trialAppendsMax: 0 });
    expect({ mismatches, of: shown.map(({ paymentId }) => paymentId) }).toEqual({
      mismatches: 1,
      of: [other.records[planted]?.paymentId],
    });
  });

  it('compares of a topic that begins later what it reaches, and counts the rest', async () => {
    shared.topics.forgotten = 60;
    const report = await check(shared);
    shared.topics.forgotten = 0;
    expect(report.mismatches).toBe(0);
    expect(report.notCovered).toBeGreaterThan(0);
    expect(report.values).toBeGreaterThan(0);
    expect(report.values + report.notCovered).toBe(report.compared * features);
  });

  it('reads no more than it may, and that too is a topic that begins later', async () => {
    const report = await check(shared, { entriesMax: count / 2, lookBackEntries: count / 4 });
    expect(report.mismatches).toBe(0);
    expect(report.notCovered).toBeGreaterThan(0);
    expect(report.values).toBeGreaterThan(0);
  });

  it('gives up the payments of the busiest entities where there are too many, and compares the others', async () => {
    const report = await check(shared, { relatedPaymentsMax: 200 });
    const skipped = report.notComparable.too_many_payments ?? 0;
    expect(skipped).toBeGreaterThan(0);
    expect(report.compared).toBeGreaterThan(0);
    expect(report).toMatchObject({ compared: 150 - skipped, mismatches: 0, notCovered: 0 });
  });

  it('says that the order is not known where too many orders would have to be tried', async () => {
    const untried = await check(shared, { trialAppendsMax: 0 });
    expect(untried).toMatchObject({ mismatches: 0, otherOrder: 0, shown: [] });
    expect(untried.orderUnknown).toBeGreaterThan(0);
    const crowded = await check(sharedDecisions(release, { count: 300, atOnce: 30, seed }));
    expect(crowded).toMatchObject({ compared: 150, mismatches: 0 });
  });

  it('compares nothing of releases that it does not know, or that have other features', async () => {
    const unknown = () => {
      throw new Error('not here');
    };
    const names = release.features.names.slice(1);
    for (const programOf of [unknown, () => ({ ...release.features, names })]) {
      const report = await check(shared, { programOf });
      expect(report).toMatchObject({ compared: 0, notComparable: { release_unreadable: 150 } });
    }
  });

  it('gives others their turn, and ends where that is refused', async () => {
    turns = 0;
    await check(shared);
    expect(turns).toBeGreaterThan(5);
    const pause = () => Promise.reject(new Error('stop'));
    await expect(check(shared, { pause })).rejects.toThrow('stop');
  });
});
