// Guarantee: features recomputed for another amount, from the recorded ones alone, are those that the online code computes for
// the same history with that amount; whatever cannot be told so is named, and never silently wrong.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { compileWhatIf, withAmountOf } from '../../../src/features/whatIf.ts';

const definitions: unknown = {
  version: 1,
  filters: { small: { amountMinor: { max: 500 } }, web: { channel: { in: ['ecommerce'] } } },
  features: [
    ...['count', 'sum', 'mean', 'stddev', 'min', 'max'].flatMap((aggregate) =>
      ['', 'small', 'web'].map((filter) => ({
        entity: 'customer',
        aggregate,
        windows: ['1h', '24h'],
        ...(filter === '' ? {} : { filter }),
        ...(['count'].includes(aggregate) ? {} : { field: 'amountMinor' }),
      })),
    ),
    { entity: 'customer', aggregate: 'sum', field: 'amountMinor', windows: ['24h'], delay: '1h' },
    { entity: 'customer', aggregate: 'distinct', field: 'country', windows: ['24h'] },
    { entity: 'customer', aggregate: 'sinceLast' },
    { entity: 'card', aggregate: 'mean', field: 'amountMinor', windows: ['24h'] },
    { entity: 'card', aggregate: 'max', field: 'amountMinor', windows: ['24h'] },
    { entity: 'customer+device', aggregate: 'isFirst' },
    { entity: 'customer+device', aggregate: 'count', windows: ['24h'] },
    { entity: 'device', aggregate: 'count', windows: ['24h'] },
    // The card as a device: some payments name it so. What they did does not depend on this payment's own amount.
    { entity: 'card', as: 'device', aggregate: 'sum', field: 'amountMinor', windows: ['24h'] },
    { entity: 'card', as: 'device', aggregate: 'count', windows: ['24h'], filter: 'small' },
    { entity: 'card', as: 'device', aggregate: 'distinct', field: 'country', windows: ['24h'] },
  ],
  derived: [
    { name: 'customer.amountToMean.24h', op: 'ratio', of: ['amountMinor', 'customer.mean.amountMinor.24h'] },
    {
      name: 'customer.zScore.24h',
      op: 'zScore',
      of: ['amountMinor', 'customer.mean.amountMinor.24h', 'customer.stddev.amountMinor.24h'],
    },
    {
      name: 'card.countriesInCommon.24h',
      op: 'common',
      of: ['cardAsDevice.distinct.country.24h', 'customer.distinct.country.24h'],
    },
    { name: 'card.toMax.24h', op: 'ratio', of: ['amountMinor', 'card.max.amountMinor.24h'] },
  ],
};
const program = compileFeatures(definitions);
const whatIf = compileWhatIf(definitions, program);

interface Spec {
  readonly amountMinor: number;
  readonly minutes: number;
  readonly device: number;
  readonly web: boolean;
}

function paymentsOf(specs: readonly Spec[]): Payment[] {
  let atMs = Date.UTC(2026, 0, 5);
  return specs.map(({ amountMinor, minutes, device, web }, i) => {
    atMs += minutes * 60_000;
    return Object.assign(new Payment(), {
      paymentId: `p${i}`,
      occurredAtMs: atMs,
      amountMinor,
      currency: 'EUR',
      customerId: 'c',
      ...(device === 0 ? {} : { deviceId: device === 1 ? 'k' : `d${device}` }),
      cardId: 'k',
      channel: web ? 'ecommerce' : 'atm',
      country: device % 2 === 0 ? 'NL' : 'DE',
    });
  });
}

/** The features of the last payment. */
function featuresOf(payments: readonly Payment[]): Float64Array {
  const memory = createVelocityMemory(program);
  const out = createFeatureMatrix(program.names.length, 1);
  payments.forEach((payment, i) => memory.appendAndRead('default', [payment], out, i + 1));
  return Float64Array.from(out.values);
}

const spec = fc.record({
  amountMinor: fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(500, 501, 250_000)),
  minutes: fc.integer({ min: 0, max: 300 }),
  device: fc.integer({ min: 0, max: 3 }),
  web: fc.boolean(),
});

test('for another amount: what the online code computes of the same history with that amount', () => {
  let told = 0;
  fc.assert(
    fc.property(
      fc.array(spec, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 300_000 }),
      (specs, amountMinor) => {
        const payments = paymentsOf(specs);
        const last = payments.at(-1) as Payment;
        const { values, held } = whatIf.withAmount(last, featuresOf(payments), amountMinor);
        const truth = featuresOf([...payments.slice(0, -1), withAmountOf(last, amountMinor)]);
        const wrong: unknown[] = [];
        program.names.forEach((name, i) => {
          if (held.has(name)) return;
          told += 1;
          const [ours, theirs] = [values[i] ?? 0, truth[i] ?? 0];
          const near = Math.abs(ours - theirs) <= 1e-5 * Math.max(1, Math.abs(theirs));
          if (!near && !Object.is(ours, theirs)) wrong.push([name, ours, theirs]);
        });
        expect(wrong).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
  expect(told).toBeGreaterThan(500);
});

test('the same amount changes nothing', () => {
  const payments = paymentsOf([
    { amountMinor: 100, minutes: 1, device: 1, web: true },
    { amountMinor: 900, minutes: 1, device: 1, web: true },
  ]);
  const recorded = featuresOf(payments);
  const { values } = whatIf.withAmount(payments[1] as Payment, recorded, 900);
  values.forEach((value, i) => {
    if (Number.isNaN(recorded[i])) expect(value).toBeNaN();
    else expect(value).toBeCloseTo(recorded[i] ?? 0, 6);
  });
});

test('the largest of several, made smaller, leaves the largest unknown; it and what is derived of it are named', () => {
  const payments = paymentsOf([
    { amountMinor: 100, minutes: 1, device: 1, web: true },
    { amountMinor: 900, minutes: 1, device: 1, web: true },
  ]);
  const { held } = whatIf.withAmount(payments[1] as Payment, featuresOf(payments), 50);
  expect([...held]).toEqual(expect.arrayContaining(['card.max.amountMinor.24h', 'card.toMax.24h']));
  expect(held.has('customer.max.amountMinor.24h')).toBe(true);
  expect(held.has('customer.mean.amountMinor.24h')).toBe(false);
});

test('a known device: the pair is no first one and has one payment more; what another device would have is named', () => {
  const payments = paymentsOf([
    { amountMinor: 100, minutes: 1, device: 1, web: true },
    { amountMinor: 900, minutes: 1, device: 2, web: true },
  ]);
  const recorded = featuresOf(payments);
  expect(whatIf.firstPairs(recorded)).toEqual(['customer+device']);
  const { values, held } = whatIf.withKnownPair(payments[1] as Payment, recorded, 'customer+device');
  const value = (name: string) => values[program.names.indexOf(name)];
  expect([value('customer+device.isFirst'), value('customer+device.count.24h')]).toEqual([0, 2]);
  expect(held.has('device.count.24h')).toBe(true);
});

test('fewer payments within a window: longer windows have as many fewer, shorter ones at most what is left', () => {
  const payments = paymentsOf(
    [0, 30, 200, 10, 10].map((minutes) => ({ amountMinor: 100, minutes, device: 1, web: true })),
  );
  const recorded = featuresOf(payments);
  expect(whatIf.counts(recorded)).toEqual(expect.arrayContaining(['customer.count.1h', 'customer.count.24h']));
  const { values, held } = whatIf.withFewer(payments[4] as Payment, recorded, 'customer.count.24h', 3);
  const value = (name: string) => values[program.names.indexOf(name)];
  expect([value('customer.count.24h'), value('customer.count.1h')]).toEqual([2, 2]);
  expect(held.has('customer.sum.amountMinor.24h')).toBe(true);
});

test('the default release can be asked', () => {
  const own: unknown = JSON.parse(readFileSync('config/default/features.json', 'utf8'));
  expect(() => compileWhatIf(own, compileFeatures(own))).not.toThrow();
});
