/**
 * Guarantee: over any history (late, duplicated, at equal times, labelled late and differently, taken back, saved and loaded in the
 * middle, folded into buckets), label runs, counts of frauds and of unusual amounts, and what is derived of them, equal the naive
 * recomputation where they are exact, and lie within their own bound where they are not.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { Payment } from '../../../src/domain/payment.ts';
import type { FeatureDefinitions } from '../../../src/features/definitions.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { amounts, compareHistory, type Step, stepOf, wideAmounts } from './compareHistory.ts';
import { makePayment } from './oracle.ts';

const runs = ['fraudRun', 'sinceFraudRun', 'sinceFraud', 'sinceGenuine'] as const;
const definitions = (ringEventsMax: number): FeatureDefinitions => ({
  version: 1,
  ringEventsMax,
  filters: { small: { amountMinor: { max: 500 } } },
  features: [
    { entity: 'terminal', aggregate: 'frauds', windows: ['1h', '7d'], delay: '24h' },
    { entity: 'terminal', aggregate: 'frauds', windows: ['7d'], filter: 'small' },
    ...runs.flatMap((aggregate) => [
      { entity: 'terminal', aggregate, windows: ['7d'], delay: '24h' },
      { entity: 'terminal', aggregate, windows: ['24h'], delay: '1h', filter: 'small' },
      { entity: 'customer+terminal', aggregate, delay: '1m' },
    ]),
    {
      entity: 'customer',
      aggregate: 'unusual',
      windows: ['1h', '24h', '7d'],
      reference: '7d',
      timesMean: [1, 1.5, 3],
      deviations: [0.5, 2],
    },
    {
      entity: 'terminal',
      aggregate: 'unusual',
      windows: ['24h'],
      delay: '1h',
      reference: '24h',
      referenceDelay: '24h',
      timesMean: [1.25],
      deviations: [1],
      filter: 'small',
    },
    { entity: 'terminal', aggregate: 'count', windows: ['7d'], delay: '24h' },
    { entity: 'customer', aggregate: 'count', windows: ['7d'] },
    { entity: 'customer', aggregate: 'mean', windows: ['24h', '7d'] },
    { entity: 'customer', aggregate: 'stddev', windows: ['7d'] },
  ],
  derived: [
    {
      name: 'terminal.smoothed',
      op: 'smoothedRate',
      prior: 0.01,
      weight: 10,
      of: ['terminal.frauds.7d.delay24h', 'terminal.count.7d.delay24h'],
    },
    { name: 'customer.more', op: 'difference', of: ['amountMinor', 'customer.mean.amountMinor.7d'] },
    { name: 'customer.moreOfMean', op: 'ratio', of: ['customer.more', 'customer.mean.amountMinor.7d'] },
    { name: 'customer.pace', op: 'logRatio', of: ['customer.mean.amountMinor.24h', 'customer.mean.amountMinor.7d'] },
    {
      name: 'customer.unusualShare',
      op: 'ratio',
      of: ['customer.unusual.amountMinor.7d.over1p5xMean7d', 'customer.count.7d'],
    },
  ],
});
const filters = { small: (payment: Payment) => payment.amountMinor <= 500 };

function compare(steps: readonly Step[], ringEventsMax: number, overflows: boolean): void {
  compareHistory(definitions(ringEventsMax), filters, steps, overflows);
}

describe('label runs and unusual amounts over random histories', { timeout: 120_000 }, () => {
  it('equal the naive oracle while everything is in the ring', () => {
    fc.assert(
      fc.property(fc.array(stepOf(wideAmounts, 12), { maxLength: 60 }), (steps) => {
        compare(steps, 2048, false);
      }),
      { numRuns: 100 },
    );
  });

  it('equal it for dense entities, which keep running totals', () => {
    fc.assert(
      fc.property(fc.array(stepOf(amounts, 12), { minLength: 150, maxLength: 220 }), (steps) => {
        compare(steps, 2048, false);
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });

  it('stay within their bounds when the ring overflows into buckets', () => {
    fc.assert(
      fc.property(
        fc.array(stepOf(wideAmounts, 20), { minLength: 20, maxLength: 150 }),
        fc.integer({ min: 8, max: 32 }),
        (steps, ring) => {
          compare(steps, ring, true);
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
  });
});

const hourMs = 3_600_000;
const nowMs = Date.UTC(2026, 0, 5);

/** A terminal with a payment an hour, the labels of which are told at once; answers what the last one sees, each with its bound. */
function terminal(labels: readonly boolean[], ringEventsMax: number): Map<string, readonly [number, number]> {
  const program = compileFeatures({
    version: 1,
    ringEventsMax,
    features: runs.map((aggregate) => ({ entity: 'terminal', aggregate, delay: '1h' })),
  });
  const memory = createVelocityMemory(program);
  const out = createFeatureMatrix(runs.length, 1);
  labels.forEach((fraud, i) => {
    const payment = makePayment({
      paymentId: `P${i}`,
      terminalId: 'T',
      occurredAtMs: nowMs + i * hourMs,
      amountMinor: 1,
    });
    memory.appendAndRead('default', [payment], out, i);
    memory.markLabel('default', { payment, fraud }, i);
  });
  return new Map(runs.map((name, i) => [name, [out.values[i] ?? 0, out.bounds[i] ?? 0]]));
}

describe('a terminal', () => {
  const [genuine, fraud] = [false, true];

  it('tells its run of frauds, when it began, and the last of each kind; the payment itself is not looked at', () => {
    expect(Object.fromEntries(terminal([genuine, fraud, genuine, fraud, fraud, fraud], 2048))).toEqual({
      fraudRun: [2, 0],
      sinceFraudRun: [2 * 3600, 0],
      sinceFraud: [3600, 0],
      sinceGenuine: [3 * 3600, 0],
    });
    expect(Object.fromEntries(terminal([fraud, genuine, fraud], 2048))).toEqual({
      fraudRun: [0, 0],
      sinceFraudRun: [Number.NaN, 0],
      sinceFraud: [2 * 3600, 0],
      sinceGenuine: [3600, 0],
    });
  });

  it('knows for sure, of folded payments as well, that it had no fraud, and what its kept payments decide', () => {
    const all = Array.from({ length: 100 }, () => genuine);
    expect(Object.fromEntries(terminal(all, 8))).toEqual({
      fraudRun: [0, 0],
      sinceFraudRun: [Number.NaN, 0],
      sinceFraud: [Number.NaN, 0],
      sinceGenuine: [3600, 0],
    });
    const newestFraud = terminal([...all, fraud, fraud, genuine], 8);
    expect([newestFraud.get('fraudRun'), newestFraud.get('sinceFraud')]).toEqual([
      [2, 0],
      [3600, 0],
    ]);
  });

  it('bounds a run that goes on in folded payments', () => {
    const labels = [...Array.from({ length: 30 }, () => genuine), ...Array.from({ length: 30 }, () => fraud), genuine];
    const seen = terminal(labels, 16);
    const [fraudRun, sinceGenuine] = [seen.get('fraudRun') ?? [0, 0], seen.get('sinceGenuine') ?? [0, 0]];
    expect(fraudRun[1]).toBeGreaterThan(0);
    expect(fraudRun[1]).toBeLessThan(10);
    expect(Math.abs(fraudRun[0] - 30)).toBeLessThanOrEqual(fraudRun[1]);
    expect(Math.abs(sinceGenuine[0] - 31 * 3600)).toBeLessThanOrEqual(sinceGenuine[1]);
    expect(sinceGenuine[1]).toBeLessThan(10 * 3600);
  });
});
