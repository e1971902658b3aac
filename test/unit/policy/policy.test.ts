import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DegradedStage } from '../../../src/domain/decision.ts';
import { degradedStages } from '../../../src/domain/decision.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import { lintPolicy } from '../../../src/policy/lint.ts';
import type { PolicyDefinition } from '../../../src/policy/schema.ts';
import { forces } from '../../../src/policy/schema.ts';
import type { PolicyInput } from '../../../src/policy/types.ts';
import { compileLists } from '../../../src/rules/lists.ts';
import type { RuleMeta } from '../../../src/rules/types.ts';

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../config/default/${name}`, import.meta.url), 'utf8'));
}

const lists = compileLists(load('lists.json'));
const defaults = load('policy.json') as PolicyDefinition;
const policy = compilePolicy(defaults, lists);

function payment(over: Partial<Payment> = {}): Payment {
  return Object.assign(new Payment(), {
    paymentId: 'P-1',
    amountMinor: 1000,
    currency: 'EUR',
    customerId: 'C-1',
    ...over,
  });
}
function hit(weight: number, outcome: RuleMeta['outcome'] = 'score', id = 'R-1'): RuleMeta {
  return { id, version: 1, text: `Text of ${id}`, weight, outcome };
}
function input(over: Partial<PolicyInput> = {}): PolicyInput {
  const hits = over.hits ?? [];
  return {
    payment: payment(),
    probability: Number.NaN,
    hits,
    hitTexts: hits.map((h) => h.text),
    degraded: [],
    contributions: () => [],
    ...over,
  };
}

const share = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1, 0.5));
const probability = fc.oneof(share, fc.constant(Number.NaN));
const hits = fc
  .array(fc.tuple(share, fc.constantFrom<RuleMeta['outcome']>('score', 'score', 'hold', 'allow')), { maxLength: 8 })
  .map((all) => all.map(([weight, outcome], i) => hit(outcome === 'allow' ? 0 : weight, outcome, `R-${i}`)));
const degraded: fc.Arbitrary<DegradedStage[]> = fc.subarray([...degradedStages]);
const customers = fc.constantFrom('C-1', 'blocked-customer-example', 'trusted-customer-example');
const payments = fc
  .record({
    amountMinor: fc.integer({ min: 0, max: 1_000_000 }),
    currency: fc.constantFrom('EUR', 'JPY'),
    customerId: customers,
  })
  .map(payment);
const inputs = fc
  .record({ payment: payments, probability, hits, degraded })
  .map((fields) => input({ ...fields, hitTexts: fields.hits.map((h) => h.text) }));

describe('the default policy', () => {
  it('has nothing wrong', () => {
    expect(lintPolicy(defaults, lists)).toEqual([]);
  });
});

describe('decide', () => {
  it('gives a score that is a probability with at most six decimals, and the same answer to the same input', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const outcome = policy.decide(given);
        expect(outcome.score).toBeGreaterThanOrEqual(0);
        expect(outcome.score).toBeLessThanOrEqual(1);
        expect(outcome.score).toBe(Number(outcome.score.toFixed(6)));
        expect(policy.decide(given)).toEqual(outcome);
        expect(compilePolicy(defaults, lists).decide(given)).toEqual(outcome);
      }),
    );
  });

  it('never lowers the score, nor turns a hold into an allow, when a signal is added or grows', () => {
    const grown = fc.tuple(inputs, share, share).map(([given, weight, more]) => {
      const p = given.probability;
      const probabilityMore = Number.isNaN(p) ? more : Math.max(p, more);
      const added = [...given.hits, hit(weight)];
      return [
        given,
        input({ ...given, probability: probabilityMore, hits: added, hitTexts: added.map((h) => h.text) }),
      ] as const;
    });
    fc.assert(
      fc.property(grown, ([less, more]) => {
        const [a, b] = [policy.decide(less), policy.decide(more)];
        expect(b.score).toBeGreaterThanOrEqual(a.score);
        if (a.action === 'hold') expect(b.action).toBe('hold');
      }),
    );
  });

  it('follows the first force present in the stated precedence, whatever the score; every order is possible', () => {
    const orders = fc.shuffledSubarray([...forces], { minLength: forces.length });
    fc.assert(
      fc.property(inputs, orders, (given, precedence) => {
        const present = new Set<string>();
        if (given.payment.customerId.startsWith('blocked')) present.add('holdList');
        if (given.payment.customerId.startsWith('trusted')) present.add('allowList');
        for (const { outcome } of given.hits) if (outcome !== 'score') present.add(`${outcome}Rule`);
        const first = precedence.find((force) => present.has(force));
        if (first === undefined) return;
        const { action } = compilePolicy({ ...defaults, precedence }, lists).decide(given);
        expect(action).toBe(first.startsWith('hold') ? 'hold' : 'allow');
      }),
    );
  });

  it('gives every hold at least one reason, and lists, rules, model and degradation in that order', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const { action, reasons } = policy.decide(given);
        if (action === 'hold') expect(reasons.length).toBeGreaterThan(0);
        const place = (code: string): number => ['L', 'R', 'M', 'D'].indexOf(code[0] ?? '');
        const places = reasons.map((reason) => place(reason.code));
        expect(places).toEqual([...places].sort());
        expect(reasons.filter((r) => r.code.startsWith('R')).map((r) => r.code)).toEqual(given.hits.map((h) => h.id));
      }),
    );
  });

  it('combines weights and probability as noisy-or', () => {
    const { score } = policy.decide(input({ probability: 0.5, hits: [hit(0.4), hit(0.2)] }));
    expect(score).toBeCloseTo(1 - (1 - 0.9 * 0.5) * 0.6 * 0.8, 6);
    expect(policy.decide(input({ hits: [hit(0.4)] })).score).toBe(0.4);
    expect(policy.decide(input()).score).toBe(0);
  });

  it('asks less of a large amount than of a small one, in the bands of the payment’s currency', () => {
    const given = (amountMinor: number, currency = 'EUR'): PolicyInput =>
      input({ payment: payment({ amountMinor, currency }), hits: [hit(0.65)] });
    expect(policy.decide(given(1999)).action).toBe('allow');
    expect(policy.decide(given(19_999)).action).toBe('allow');
    expect(policy.decide(given(20_000)).action).toBe('hold');
    expect(policy.decide(given(20_000, 'JPY')).action).toBe('allow');
    expect(policy.decide(given(30_000, 'JPY')).action).toBe('hold');
  });

  it('holds by the probability alone where the band says so', () => {
    expect(policy.decide(input({ probability: 0.7 })).action).toBe('hold');
    expect(policy.decide(input({ probability: 0.69 })).action).toBe('allow');
  });

  it('names the model’s probability and the inputs that push towards fraud, and asks for them only then', () => {
    const contributions = [
      { fact: 'customer.count.1h', contribution: 2 },
      { fact: 'amountMinor', contribution: -3 },
      { fact: 'card.count.1h', contribution: 1 },
    ];
    const { reasons } = policy.decide(
      input({ probability: 0.97, contributions: (top) => contributions.slice(0, top) }),
    );
    expect(reasons).toEqual([
      {
        code: 'M-001',
        text: 'The model sees a fraud probability of 97%, most of all for customer.count.1h, card.count.1h',
        weight: 0.873,
      },
    ]);
    const never = (): never => {
      throw new Error('asked for contributions');
    };
    expect(policy.decide(input({ probability: 0.1, contributions: never })).reasons).toEqual([]);
    const alone = policy.decide(input({ probability: 0.4 })).reasons;
    expect(alone.map((reason) => reason.text)).toEqual(['The model sees a fraud probability of 40%']);
  });

  it('degraded: holds from the stage’s amount on, allows below, and says so', () => {
    const at = (amountMinor: number, stages: DegradedStage[], currency = 'EUR') =>
      policy.decide(input({ payment: payment({ amountMinor, currency }), degraded: stages }));
    expect(at(49_999, ['model:unavailable']).action).toBe('allow');
    const held = at(50_000, ['model:unavailable']);
    expect(held.action).toBe('hold');
    expect(held.reasons).toEqual([
      { code: 'D-001', text: 'Decided without model:unavailable: amounts from 500.00 EUR on are held', weight: 0 },
    ]);
    // The lowest limit of all missing stages counts; a local velocity state changes nothing.
    expect(at(20_000, ['velocity:unavailable', 'model:unavailable']).action).toBe('hold');
    expect(at(9_000_000, ['velocity:local']).action).toBe('allow');
    expect(at(60_000, ['model:deadline'], 'JPY').action).toBe('allow');
  });

  it('degraded: every stage, with no model, no rules and no features, still has an answer', () => {
    fc.assert(
      fc.property(payments, degraded, (one, stages) => {
        const outcome = policy.decide(input({ payment: one, degraded: stages }));
        expect(['allow', 'hold']).toContain(outcome.action);
        expect(outcome.score).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
