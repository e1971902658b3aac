// Guarantee: however many payments of an entity come late, each with values that were not seen before, what is counted is what a
// naive count gives, and counting ends: the tables of values have room for what late payments bring, as for what comes in order.
import { describe, it } from 'vitest';
import type { FeatureDefinitions } from '../../../src/features/definitions.ts';
import { compareHistory, type Step } from './compareHistory.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const definitions: FeatureDefinitions = {
  version: 1,
  features: [
    { entity: 'customer', aggregate: 'distinct', field: 'device', windows: ['1h', '24h'] },
    { entity: 'customer', aggregate: 'count', windows: ['24h'] },
  ],
};
/** More than an entity has without running totals, and few enough that less is left when they are forgotten. */
const inOrderCount = 33;

const pay = (gapMs: number, deviceId: string): Step => ({
  kind: 'pay',
  gapMs,
  fields: { customerId: 'C1', deviceId, amountMinor: 100 },
});
const inOrder: readonly Step[] = Array.from({ length: inOrderCount }, () => pay(minuteMs, 'D1'));
const late = (count: number, byMs: number): readonly Step[] =>
  Array.from({ length: count }, (_, i) => pay(-byMs - i * 1000, `late ${i}`));

describe('late payments with values of their own', () => {
  it('are counted, a few and hundreds of them', () => {
    for (const count of [5, 16, 40, 300]) {
      compareHistory(definitions, {}, [...inOrder, ...late(count, 1), pay(1, 'D2'), ...late(20, 5)], false);
    }
  });

  it('are counted where the totals were given up, and what they began with was forgotten', () => {
    for (let count = 10; count <= 31; count++) {
      const given = [pay(60 * hourMs, 'D2'), pay(0, 'D3'), { kind: 'retract', pick: inOrderCount + 1 }] as const;
      const after = [pay(2 * hourMs, 'D4'), pay(1, 'D5'), ...late(20, 5)];
      compareHistory(definitions, {}, [...inOrder, ...given, ...late(count, 10 * hourMs), ...after], false);
    }
  });
});
