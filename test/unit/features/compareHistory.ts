/** Random histories, and how they are run through the velocity store and the naive oracle beside it. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { Payment } from '../../../src/domain/payment.ts';
import { lateExactMs } from '../../../src/features/compaction.ts';
import type { FeatureDefinitions } from '../../../src/features/definitions.ts';
import { unboundedBound } from '../../../src/features/derived.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import type { VelocityMemory } from '../../../src/features/types.ts';
import { makePayment, Oracle } from './oracle.ts';

const hourMs = 3_600_000;
const startMs = Date.UTC(2026, 0, 5);

/** What happens next: a payment this far after the newest so far (negative: late), or something to an earlier one. */
export type Step =
  | { readonly kind: 'pay'; readonly gapMs: number; readonly fields: Partial<Payment> }
  | { readonly kind: 'again' | 'fraud' | 'legitimate' | 'retract'; readonly pick: number }
  | { readonly kind: 'reload' };

const gaps = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0, 0, 1, 59_999, 60_000, hourMs, 24 * hourMs) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 3 * hourMs }) },
  { weight: 1, arbitrary: fc.integer({ min: -30 * hourMs, max: 0 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, -60_000, -24 * hourMs, -200 * hourMs) },
);
export const amounts = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 2000 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 2 ** 24 - 1, 2 ** 24) },
);
export const wideAmounts = fc.oneof(
  amounts,
  fc.constantFrom(2 ** 32 - 1, 2 ** 32, 9e15, 9e15 - 1),
  fc.integer({ min: 0, max: 9e15 }),
);
const fieldsOf = (amount: fc.Arbitrary<number>): fc.Arbitrary<Partial<Payment>> =>
  fc.record({
    customerId: fc.constantFrom('C1', 'C1', 'C1', 'Zoë', 'Zoë-2'),
    terminalId: fc.constantFrom('T1', 'T2', undefined),
    deviceId: fc.constantFrom('D1', 'D2', 'D3', 'D4', undefined),
    country: fc.constantFrom('DE', 'FR', 'NG', undefined),
    channel: fc.constantFrom('ecommerce' as const, 'other' as const),
    amountMinor: amount,
  });
/** @param frauds how many more labels of fraud there are, to every 25 other steps */
export const stepOf = (amount: fc.Arbitrary<number>, frauds = 0, fields = fieldsOf(amount)): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 20, arbitrary: fc.record({ kind: fc.constant('pay' as const), gapMs: gaps, fields }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('again' as const, 'fraud' as const, 'legitimate' as const, 'retract' as const),
        pick: fc.nat({ max: 1000 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const) }) },
    {
      weight: frauds,
      arbitrary: fc.record({ kind: fc.constant('fraud' as const), pick: fc.nat({ max: 1000 }) }),
    },
  );

/** Runs a history through both. `overflows`: the ring is so small that values may be inexact for any payment. */
export function compareHistory(
  definitions: FeatureDefinitions,
  filters: Readonly<Record<string, (payment: Payment) => boolean>>,
  steps: readonly Step[],
  overflows: boolean,
): void {
  const program = compileFeatures(definitions);
  const oracle = new Oracle(definitions, filters);
  const out = createFeatureMatrix(program.names.length, 1);
  const isDeviation = program.names.map((name) => name.includes('.stddev.'));
  let memory: VelocityMemory = createVelocityMemory(program);
  const stored = new Map<string, { key: Uint8Array; bytes: Uint8Array }>();
  const known: Payment[] = [];
  let newestMs = startMs;
  const append = (payment: Payment, batch: number): void => {
    const expected = oracle.append(payment);
    out.values.fill(-1);
    memory.appendAndRead('default', [payment], out, batch);
    expected.forEach((truth, i) => {
      const value = out.values[i] as number;
      const bound = out.bounds[i] as number;
      const near = Math.abs(truth - value);
      let right = Object.is(value, truth);
      if (bound > 0) {
        // With room in the ring only a payment more than a day late may miss what was forgotten.
        const allowed = overflows || newestMs - payment.occurredAtMs > lateExactMs;
        right = allowed && (bound === unboundedBound || Number.isNaN(truth) || near <= bound * (1 + 1e-12));
      } else if (isDeviation[i] === true && !Number.isNaN(truth)) right = near <= 1e-9 * truth;
      if (right || near <= (oracle.ties.get(program.names[i] ?? '') ?? 0)) return;
      expect.fail(`${program.names[i]} of ${payment.paymentId}: ${value} ± ${bound}, truly ${truth}`);
    });
  };
  steps.forEach((step, i) => {
    const picked = 'pick' in step ? known[step.pick % Math.max(1, known.length)] : undefined;
    if (step.kind === 'pay') {
      const payment = makePayment({ ...step.fields, paymentId: `P${i}`, occurredAtMs: newestMs + step.gapMs });
      newestMs = Math.max(newestMs, payment.occurredAtMs);
      known.push(payment);
      append(payment, i);
    } else if (step.kind === 'reload') {
      for (const entity of memory.takeDirty(10_000, i)) stored.set(Buffer.from(entity.key).toString('hex'), entity);
      expect(memory.dirty()).toEqual({ count: 0, oldestBatch: Number.POSITIVE_INFINITY });
      memory = createVelocityMemory(program, { hashSeed: i });
      for (const entity of stored.values()) memory.load(entity);
    } else if (picked === undefined) return;
    else if (step.kind === 'again') append(picked, i);
    else if (step.kind !== 'retract') {
      oracle.label(picked, step.kind === 'fraud');
      memory.markLabel('default', { payment: picked, fraud: step.kind === 'fraud' }, i);
    } else if (known.indexOf(picked) >= known.length - 5 && newestMs - picked.occurredAtMs <= lateExactMs / 24) {
      // Taken back is what was just appended and then not recorded.
      oracle.retract(picked);
      memory.retract('default', picked);
      known.splice(known.indexOf(picked), 1);
    }
  });
}
