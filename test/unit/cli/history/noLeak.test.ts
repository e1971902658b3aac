/**
 * Guarantee: features know nothing of the future. Over any history, the features of a payment are the same when everything after it,
 * and every label that is not known at its moment, is another; and a label that is known counts.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Payment } from '../../../../src/domain/payment.ts';
import {
  altered,
  another,
  dayMs,
  firstDifference,
  historyOf,
  type LabelledPayment,
  program,
} from '../../../helpers/alteredFuture.ts';

const startMs = Date.UTC(2026, 0, 5);
const gaps = fc.oneof(
  fc.constantFrom(0, 0, 1, 60_000, dayMs, 7 * dayMs),
  fc.integer({ min: 0, max: 6 * 3_600_000 }),
  fc.integer({ min: 0, max: 3 * dayMs }),
);
const steps = fc.array(
  fc.record({
    gapMs: gaps,
    customerId: fc.constantFrom('C1', 'C1', 'C2'),
    terminalId: fc.constantFrom('T1', 'T1', 'T2', undefined),
    deviceId: fc.constantFrom('D1', 'D2', undefined),
    country: fc.constantFrom('DE', 'FR', undefined),
    amountMinor: fc.integer({ min: 0, max: 100_000 }),
    fraud: fc.boolean(),
  }),
  { minLength: 5, maxLength: 60, size: 'max' },
);

function rowsOf(all: readonly (typeof steps extends fc.Arbitrary<infer T> ? T : never)[number][]): LabelledPayment[] {
  let occurredAtMs = startMs;
  return all.map(({ gapMs, fraud, ...fields }, i) => {
    occurredAtMs += gapMs;
    const payment = Object.assign(new Payment(), fields, { paymentId: `P${i}`, occurredAtMs, currency: 'EUR' });
    return { payment, fraud };
  });
}

test('a payment’s features are the same whatever comes after it, and whatever its label and those not yet known', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), fc.constantFrom('another', 'gone', 'at once'), async (all, pick, later) => {
      const rows = rowsOf(all);
      const kept = 1 + (pick % rows.length);
      const atMs = rows[kept - 1]?.payment.occurredAtMs ?? 0;
      const others = rows.slice(kept).map(({ payment, fraud }) => ({ payment: another(payment), fraud: !fraud }));
      if (later === 'at once') for (const { payment } of others) payment.occurredAtMs = atMs;
      const changed = altered(rows, kept, later === 'gone' ? [] : others);
      const [before, after] = await Promise.all([historyOf(rows), historyOf(changed)]);
      expect(firstDifference(before, after, kept)).toBeUndefined();
    }),
    { numRuns: 40, endOnFailure: true },
  );
});

test('a label counts from the moment on at which it is known', async () => {
  const at = (day: number, fraud: boolean): LabelledPayment => ({
    payment: Object.assign(new Payment(), {
      paymentId: `P${day}`,
      occurredAtMs: startMs + day * dayMs,
      customerId: 'C1',
      terminalId: 'T1',
      currency: 'EUR',
    }),
    fraud,
  });
  const [fraud, genuine] = await Promise.all(
    [true, false].map((label) => historyOf([at(0, label), at(6, false), at(7, false)])),
  );
  if (fraud === undefined || genuine === undefined) throw new Error('two histories');
  expect(firstDifference(fraud, genuine, 2)).toBeUndefined();
  const run = program.names.indexOf('terminal.fraudRun.30d.delay7d');
  expect([fraud.facts.value(2, run), genuine.facts.value(2, run)]).toEqual([1, 0]);
});
