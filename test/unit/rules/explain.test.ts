import { describe, expect, it } from 'vitest';
import { Payment } from '../../../src/domain/payment.ts';
import { Frame } from '../../../src/features/frame.ts';
import { compileRules } from '../../../src/rules/compile.ts';
import { fillFromFacts } from '../../../src/rules/factFrame.ts';
import { collectColumnNeeds, layoutFor } from '../../../src/rules/needs.ts';
import type { FactValues } from '../../../src/rules/reference.ts';

const features = ['card.count.1h', 'customer.count.1h'];
const lists = new Map([['watched', new Set(['T-1'])]]);
const rules = [
  {
    name: 'R-017',
    conditions: {
      all: [
        { fact: 'card.count.1h', operator: 'greaterThan', value: 4 },
        {
          any: [
            { fact: 'country', operator: 'equal', value: 'US' },
            { fact: 'terminalId', operator: 'inList', value: 'watched' },
          ],
        },
        { not: { fact: 'attributes', path: 'known', operator: 'equal', value: true } },
        { fact: 'card.count.1h', operator: 'greaterThanInclusive', value: { fact: 'customer.count.1h' } },
      ],
    },
    event: {
      type: 'hit',
      params: { version: 3, text: 'Payment {card.count.1h} in {country}, {model.probability}', weight: 0.4 },
    },
  },
];
const layout = layoutFor(collectColumnNeeds(rules, features), features);
const compiled = compileRules(rules, layout);
const facts: FactValues = new Map<string, string | number>([
  ['card.count.1h', 5],
  ['customer.count.1h', 2],
  ['country', 'FR'],
  ['terminalId', 'T-1'],
  ['model.probability', 0.25],
]);
const frame = new Frame(layout, 1);
frame.rows = 1;
fillFromFacts(frame, 0, facts, lists);
const payment = Object.assign(new Payment(), { country: 'FR', terminalId: 'T-1', attributes: { known: false } });

describe('explain', () => {
  it('shows every branch with its result, what was asked, and the value seen in the payment or the frame', () => {
    expect(compiled.explain(0, frame, 0, payment)).toEqual({
      kind: 'all',
      result: true,
      children: [
        { kind: 'condition', result: true, fact: 'card.count.1h', operator: 'greaterThan', expected: 4, seen: 5 },
        {
          kind: 'any',
          result: true,
          children: [
            { kind: 'condition', result: false, fact: 'country', operator: 'equal', expected: 'US', seen: 'FR' },
            {
              kind: 'condition',
              result: true,
              fact: 'terminalId',
              operator: 'inList',
              expected: 'watched',
              seen: 'T-1',
            },
          ],
        },
        {
          kind: 'not',
          result: true,
          children: [
            {
              kind: 'condition',
              result: false,
              fact: 'attributes.known',
              operator: 'equal',
              expected: true,
              seen: false,
            },
          ],
        },
        {
          kind: 'condition',
          result: true,
          fact: 'card.count.1h',
          operator: 'greaterThanInclusive',
          expected: { fact: 'customer.count.1h', value: 2 },
          seen: 5,
        },
      ],
    });
  });

  it('without the payment tells strings outside the vocabulary apart from missing ones', () => {
    const seen = JSON.stringify(compiled.explain(0, frame, 0));
    expect(seen).toContain('"expected":"US","seen":"(another value)"');
    expect(seen).toContain('"fact":"attributes.known","operator":"equal","expected":true,"seen":null');
  });

  it('gives the rule’s sentence with payment fields from the payment, and features and the probability from the frame', () => {
    expect(compiled.textOf(0, frame, 0, payment)).toBe('Payment 5 in FR, 0.25');
    expect(compiled.rules[0]).toEqual({
      id: 'R-017',
      version: 3,
      text: rules[0]?.event.params.text,
      weight: 0.4,
      outcome: 'score',
    });
  });
});
