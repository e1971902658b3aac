/**
 * Guarantee: over any history of payments (late, duplicated, at equal times, labelled late and differently, taken back),
 * with the store saved and loaded in the middle, every exact feature equals the naive recomputation, sums to the last
 * bit, and every inexact one is within its own bound.
 */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Payment } from '../../../src/domain/payment.ts';
import type { FeatureDefinitions } from '../../../src/features/definitions.ts';
import { amounts, compareHistory, type Step, stepOf, wideAmounts } from './compareHistory.ts';

const windows = ['1m', '1h', '24h', '7d'];
const definitions = (ringEventsMax: number): FeatureDefinitions => ({
  version: 1,
  ringEventsMax,
  filters: { small: { amountMinor: { max: 500 } }, web: { channel: { in: ['ecommerce'] } } },
  features: [
    { entity: 'customer', aggregate: 'count', windows },
    { entity: 'customer', aggregate: 'sum', windows },
    { entity: 'customer', aggregate: 'mean', windows },
    { entity: 'customer', aggregate: 'min', windows },
    { entity: 'customer', aggregate: 'max', windows },
    { entity: 'customer', aggregate: 'stddev', windows },
    { entity: 'customer', aggregate: 'distinct', field: 'country', windows },
    { entity: 'customer', aggregate: 'distinct', field: 'device', windows },
    { entity: 'customer', aggregate: 'fraudRate', windows },
    { entity: 'customer', aggregate: 'count', windows, filter: 'small' },
    { entity: 'customer', aggregate: 'sum', windows, filter: 'web' },
    { entity: 'customer', aggregate: 'mean', windows: ['24h'], filter: 'web' },
    { entity: 'customer', aggregate: 'min', windows, filter: 'web' },
    { entity: 'customer', aggregate: 'stddev', windows: ['24h'], filter: 'small' },
    { entity: 'customer', aggregate: 'distinct', field: 'country', windows, filter: 'small' },
    { entity: 'customer', aggregate: 'fraudRate', windows: ['24h'], filter: 'small' },
    { entity: 'customer', aggregate: 'sinceLast' },
    { entity: 'customer', aggregate: 'sinceFirst' },
    { entity: 'customer', aggregate: 'isFirst' },
    ...(['count', 'sum', 'mean', 'min', 'max', 'stddev', 'fraudRate'] as const).map((aggregate) => ({
      entity: 'terminal',
      aggregate,
      windows: ['1h', '24h', '7d'],
      delay: '24h',
    })),
    { entity: 'terminal', aggregate: 'distinct', field: 'customer', windows: ['1h', '7d'], delay: '24h' },
    { entity: 'terminal', aggregate: 'count', windows },
    { entity: 'customer+device', aggregate: 'isFirst' },
    { entity: 'customer+device', aggregate: 'count', windows: ['7d'] },
  ],
});
const filters = {
  small: (p: Payment) => p.amountMinor <= 500,
  web: (p: Payment) => p.channel === 'ecommerce',
};

function compare(steps: readonly Step[], ringEventsMax: number, overflows: boolean): void {
  compareHistory(definitions(ringEventsMax), filters, steps, overflows);
}

describe('velocity features over random histories', { timeout: 120_000 }, () => {
  it('equal the naive oracle while everything is in the ring', () => {
    fc.assert(
      fc.property(fc.array(stepOf(amounts), { maxLength: 60 }), (steps) => {
        compare(steps, 2048, false);
      }),
      { numRuns: 200 },
    );
  });

  it('equal it for amounts up to 9e15', () => {
    fc.assert(
      fc.property(fc.array(stepOf(wideAmounts), { maxLength: 60 }), (steps) => {
        compare(steps, 2048, false);
      }),
      { numRuns: 100 },
    );
  });

  it('equal it for dense entities, which keep running totals', () => {
    fc.assert(
      fc.property(fc.array(stepOf(amounts), { minLength: 150, maxLength: 260 }), (steps) => {
        compare(steps, 2048, false);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });

  it('stay within them for one that came again at the moment of the first, which is folded', () => {
    const at = (gapMs: number, customerId: string): Step => ({
      kind: 'pay',
      gapMs,
      fields: { customerId, terminalId: 'T1', deviceId: 'D1', country: 'DE', channel: 'ecommerce', amountMinor: 0 },
    });
    const later = Array.from({ length: 8 }, () => at(0, 'C1'));
    compare([at(-720_000_000, 'C2'), at(-720_000_000, 'C2'), ...later, ...later, { kind: 'again', pick: 1 }], 8, true);
    const many = Array.from({ length: 12 }, () => at(0, 'C2'));
    for (let pick = 0; pick < 12; pick++) compare([...many, { kind: 'again', pick }], 8, true);
  });

  it('stay within their bounds when the ring overflows into buckets', () => {
    fc.assert(
      fc.property(
        fc.array(stepOf(wideAmounts), { minLength: 20, maxLength: 150 }),
        fc.integer({ min: 8, max: 64 }),
        (steps, ring) => {
          compare(steps, ring, true);
        },
      ),
      { numRuns: 150, endOnFailure: true },
    );
  });
});
