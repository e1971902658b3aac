/**
 * Guarantee: an entity read in another role (the account that pays, as the one that was paid) sees exactly the payments
 * that name it in that role and lie before the payment's own moment, over any history: late payments, duplicates, many at
 * one moment, payments to oneself, labels, the store saved and loaded in between. Inexact values are within their bounds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { Payment } from '../../../src/domain/payment.ts';
import type { FeatureDefinition, FeatureDefinitions } from '../../../src/features/definitions.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { amounts, compareHistory, type Step, stepOf, wideAmounts } from './compareHistory.ts';
import { makePayment } from './oracle.ts';

const windows = ['1m', '1h', '24h', '7d'];
const paidIn: Pick<FeatureDefinition, 'entity' | 'as'> = { entity: 'account', as: 'counterpartyAccount' };
const payeeOut: Pick<FeatureDefinition, 'entity' | 'as'> = { entity: 'counterpartyAccount', as: 'account' };
const reverse: Pick<FeatureDefinition, 'entity' | 'as'> = {
  entity: 'counterpartyAccount+account',
  as: 'account+counterpartyAccount',
};
const definitions = (ringEventsMax: number): FeatureDefinitions => ({
  version: 1,
  ringEventsMax,
  filters: { small: { amountMinor: { max: 500 } } },
  features: [
    ...(['count', 'sum', 'mean', 'min', 'max', 'stddev'] as const).map((aggregate) => ({
      ...paidIn,
      aggregate,
      windows,
    })),
    { ...paidIn, aggregate: 'sum', windows, filter: 'small' },
    { ...paidIn, aggregate: 'distinct', field: 'account', windows },
    { ...paidIn, aggregate: 'fraudRate', windows, delay: '24h' },
    { ...paidIn, aggregate: 'fraudRun', delay: '24h' },
    { ...paidIn, aggregate: 'unusual', windows: ['24h'], reference: '7d', timesMean: [2] },
    { ...paidIn, aggregate: 'sinceLast' },
    { ...paidIn, aggregate: 'sinceFirst' },
    { ...paidIn, aggregate: 'isFirst' },
    { entity: 'account', aggregate: 'count', windows: ['1h'] },
    { entity: 'account', aggregate: 'sum', windows },
    { ...payeeOut, aggregate: 'distinct', field: 'counterpartyAccount', windows },
    { ...payeeOut, aggregate: 'max', windows: ['24h'], delay: '1h' },
    { ...payeeOut, aggregate: 'sinceLast' },
    { entity: 'counterpartyAccount', aggregate: 'distinct', field: 'account', windows },
    { entity: 'account+counterpartyAccount', aggregate: 'isFirst' },
    { ...reverse, aggregate: 'isFirst' },
    { ...reverse, aggregate: 'sinceLast' },
    { ...reverse, aggregate: 'count', windows: ['7d'] },
  ],
  derived: [
    ...(['1h', '7d'] as const).map((window) => ({
      name: `account.rings.${window}`,
      op: 'common' as const,
      of: [
        `accountAsCounterpartyAccount.distinct.account.${window}`,
        `counterpartyAccountAsAccount.distinct.counterpartyAccount.${window}`,
      ],
    })),
    {
      name: 'account.payersInCommon.24h',
      op: 'common',
      of: ['accountAsCounterpartyAccount.distinct.account.24h', 'counterpartyAccount.distinct.account.24h'],
    },
    {
      name: 'account.outToIn.24h',
      op: 'ratio',
      of: ['account.sum.amountMinor.24h', 'accountAsCounterpartyAccount.sum.amountMinor.24h'],
    },
  ],
});
const filters = { small: (p: Payment) => p.amountMinor <= 500 };
const account = fc.constantFrom('A', 'A', 'B', 'B', 'Zoë', undefined);
const transfers = (amount: fc.Arbitrary<number>): fc.Arbitrary<Partial<Payment>> =>
  fc.record({ accountId: account, counterpartyAccountId: account, amountMinor: amount });

describe('an entity in another role', { timeout: 120_000 }, () => {
  it('equals the naive oracle while everything is in the ring', () => {
    fc.assert(
      fc.property(fc.array(stepOf(wideAmounts, 1, transfers(wideAmounts)), { maxLength: 60 }), (steps) => {
        compareHistory(definitions(2048), filters, steps, false);
      }),
      { numRuns: 120 },
    );
  });

  it('equals it for dense entities', () => {
    fc.assert(
      fc.property(fc.array(stepOf(amounts, 1, transfers(amounts)), { minLength: 150, maxLength: 220 }), (steps) => {
        compareHistory(definitions(2048), filters, steps, false);
      }),
      { numRuns: 12, endOnFailure: true },
    );
  });

  it('stays within its bounds when the ring overflows into buckets', () => {
    fc.assert(
      fc.property(
        fc.array(stepOf(amounts, 1, transfers(amounts)), { minLength: 20, maxLength: 150 }),
        fc.integer({ min: 8, max: 48 }),
        (steps, ring) => {
          compareHistory(definitions(ring), filters, steps, true);
        },
      ),
      { numRuns: 80, endOnFailure: true },
    );
  });

  it('does not count what was folded at the very moment of a late payment', () => {
    const pay = (gapMs: number, accountId: string, counterpartyAccountId: string): Step => ({
      kind: 'pay',
      gapMs,
      fields: { accountId, counterpartyAccountId, amountMinor: 700 },
    });
    for (const gapMs of [0, 60_000]) {
      const paid = Array.from({ length: 14 }, (_, i) => pay(i % 2 === 0 ? 60_000 : gapMs, 'B', 'A'));
      for (let back = 0; back < 14; back++) {
        compareHistory(definitions(8), filters, [...paid, pay(-60_000 * back, 'A', 'C')], true);
      }
    }
  });

  it('tells who was paid what before, how long ago, and who paid back', () => {
    const program = compileFeatures(definitions(2048));
    const memory = createVelocityMemory(program);
    const minutes = (n: number): number => Date.UTC(2026, 0, 5) + n * 60_000;
    const pay = (n: number, from: string, to: string, amountMinor: number) => {
      const out = createFeatureMatrix(program.names.length, 1);
      const payment = makePayment({
        paymentId: `${n}`,
        occurredAtMs: minutes(n),
        accountId: from,
        counterpartyAccountId: to,
        amountMinor,
      });
      memory.appendAndRead('default', [payment], out, n);
      return (name: string): number => out.values[program.names.indexOf(name)] ?? Number.NEGATIVE_INFINITY;
    };
    const first = pay(0, 'A', 'B', 1000);
    expect(first('accountAsCounterpartyAccount.isFirst')).toBe(1);
    expect(first('accountAsCounterpartyAccount.sum.amountMinor.24h')).toBe(0);
    expect(first('accountAsCounterpartyAccount.sinceLast')).toBeNaN();
    pay(1, 'C', 'B', 500);
    const on = pay(2, 'B', 'D', 1350);
    expect(on('accountAsCounterpartyAccount.distinct.account.24h')).toBe(2);
    expect(on('accountAsCounterpartyAccount.sinceLast')).toBe(60);
    expect(on('account.outToIn.24h')).toBe(0.9);
    expect(on('counterpartyAccountAsAccount.distinct.counterpartyAccount.24h')).toBe(0);
    const back = pay(3, 'D', 'B', 10);
    expect(back('counterpartyAccount+accountAsAccount+counterpartyAccount.isFirst')).toBe(0);
    expect(back('counterpartyAccount+accountAsAccount+counterpartyAccount.sinceLast')).toBe(60);
    expect(back('counterpartyAccountAsAccount.distinct.counterpartyAccount.24h')).toBe(1);
  });

  it('is read back from storage where it is no longer in memory', () => {
    const program = compileFeatures(definitions(2048));
    const stored = new Map<string, Uint8Array>();
    const small = createVelocityMemory(program, {
      residentBytesMax: 1,
      loadMissing: (key) => stored.get(Buffer.from(key).toString('hex')),
    });
    const whole = createVelocityMemory(program);
    const [ours, theirs] = [createFeatureMatrix(program.names.length, 1), createFeatureMatrix(program.names.length, 1)];
    let most = 0;
    for (let n = 0; n < 600; n++) {
      const [accountId, counterpartyAccountId] = [`A${(n * 13) % 31}`, `A${(n * 7) % 29}`];
      const fields = { paymentId: `P${n}`, occurredAtMs: 1e12 + n * 60_000, amountMinor: n };
      const payment = makePayment({ ...fields, accountId, counterpartyAccountId });
      small.appendAndRead('default', [payment], ours, n);
      whole.appendAndRead('default', [payment], theirs, n);
      expect(ours.values).toEqual(theirs.values);
      most = Math.max(most, small.entityCount);
      for (const { key, bytes } of small.takeDirty(100, n)) stored.set(Buffer.from(key).toString('hex'), bytes);
    }
    expect(most).toBeLessThan(whole.entityCount);
  });

  it('costs no state: it reads what the entity of that role keeps anyway', () => {
    const kept = (features: readonly FeatureDefinition[]): readonly [number, number] => {
      const program = compileFeatures({ version: 1, features });
      const memory = createVelocityMemory(program);
      const out = createFeatureMatrix(program.names.length, 1);
      for (let n = 0; n < 50; n++) {
        const [accountId, counterpartyAccountId] = [`A${n % 5}`, `A${n % 7}`];
        const fields = { paymentId: `P${n}`, occurredAtMs: 1e12 + n, accountId, counterpartyAccountId, amountMinor: n };
        memory.appendAndRead('default', [makePayment(fields)], out, n);
      }
      const bytes = memory.takeDirty(1000, 1000).reduce((sum, entity) => sum + entity.bytes.length, 0);
      return [memory.entityCount, bytes];
    };
    const out: FeatureDefinition = { entity: 'account', aggregate: 'sum', windows: ['24h'] };
    const paid: FeatureDefinition = { entity: 'counterpartyAccount', aggregate: 'sum', windows: ['24h'] };
    expect(kept([out, paid, { ...paid, ...paidIn }, { ...out, ...payeeOut }])).toEqual(kept([out, paid]));
  });
});
