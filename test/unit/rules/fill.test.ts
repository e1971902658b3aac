import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Payment } from '../../../src/domain/payment.ts';
import type { Literal } from '../../../src/features/frame.ts';
import { createFeatureMatrix, Frame } from '../../../src/features/frame.ts';
import { compileFill } from '../../../src/releases/fill.ts';
import { numericFacts, paymentFact, stringFacts } from '../../../src/rules/facts.ts';
import { fillFromFacts } from '../../../src/rules/factFrame.ts';
import { collectColumnNeeds, layoutFor } from '../../../src/rules/needs.ts';
import { features, lists, ruleSets } from './arbitraries.ts';

const text = fc.constantFrom(undefined, 'US', 'DE', 'a', '5411', '1', 'ecommerce');
const literal = fc.oneof(fc.constantFrom('1', '2.5', '3x', 'a', true, false, 1, 0, -0, 2.5), fc.string());
const payments = fc
  .record({
    occurredAtMs: fc.integer({ min: 0, max: 2e12 }),
    amountMinor: fc.nat(),
    country: text,
    deviceId: text,
    merchantCategoryCode: text,
    attributes: fc.option(fc.dictionary(fc.constantFrom('x', 'y', 'a.b', 'constructor'), literal), { nil: undefined }),
  })
  .map((fields) => Object.assign(new Payment(), fields));

it('a frame filled from a payment holds exactly what facts.ts promises the rules, column by column', () => {
  fc.assert(
    fc.property(ruleSets, payments, fc.array(fc.double(), { minLength: 4, maxLength: 4 }), (rules, payment, values) => {
      const layout = layoutFor(collectColumnNeeds(rules, features), features);
      const matrix = createFeatureMatrix(features.length, 1);
      matrix.values.set(values);
      const [filled, expected] = [new Frame(layout, 1), new Frame(layout, 1)];
      compileFill(layout, lists)(filled, [payment], 1, matrix);
      const facts = new Map<string, Literal>(features.map((name, i) => [name, values[i] ?? Number.NaN]));
      const names = [...stringFacts, ...numericFacts, 'attributes.x', 'attributes.y', 'attributes.a.b'];
      for (const name of names) {
        const value = paymentFact(payment, name);
        if (value !== undefined) facts.set(name, value);
      }
      fillFromFacts(expected, 0, facts, lists);
      expect(filled.numbers.map((column) => column[0])).toEqual(expected.numbers.map((column) => column[0]));
      expect(filled.codes.map((column) => column[0])).toEqual(expected.codes.map((column) => column[0]));
    }),
    { numRuns: 200 },
  );
});
