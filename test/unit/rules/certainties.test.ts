import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseConditions } from '../../../src/rules/parse.ts';
import { toPredicate } from '../../../src/rules/predicate.ts';
import { ReferenceEngine } from '../../../src/rules/reference.ts';
import { findCertainties } from '../../../src/rules/satisfiable.ts';
import { lists } from './arbitraries.ts';

const number = fc.integer({ min: -1, max: 4 });
const operators = fc.constantFrom(
  'lessThan',
  'lessThanInclusive',
  'greaterThan',
  'greaterThanInclusive',
  'equal',
  'notEqual',
);
const leaf = fc.oneof(
  fc.record({ fact: fc.constantFrom('customer.count.1h', 'model.probability'), operator: operators, value: number }),
  fc.record({
    fact: fc.constant('country'),
    operator: fc.constantFrom('in', 'notIn'),
    value: fc.subarray(['US', 'DE', 'XX'], { minLength: 1 }),
  }),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((all) => ({ all })),
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
    tie('tree').map((not) => ({ not })),
  ),
}));

/** Every combination of values that these facts can have, missing included. */
function* everyPayment(): Generator<ReadonlyMap<string, string | number>> {
  for (const count of [undefined, 0, 1, 2, 3, 4, 5]) {
    for (const probability of [undefined, 0, 0.5, 1]) {
      for (const country of [undefined, 'US', 'DE', 'FR']) {
        const facts = new Map<string, string | number>();
        if (count !== undefined) facts.set('customer.count.1h', count);
        if (probability !== undefined) facts.set('model.probability', probability);
        if (country !== undefined) facts.set('country', country);
        yield facts;
      }
    }
  }
}

function at(root: unknown, pointer: string): unknown {
  let node: unknown = { conditions: root };
  for (const key of pointer.split('/').slice(1)) node = Reflect.get(Object(node), key);
  return node;
}

it('what is called impossible inside nothing else never fires, and what is called always true fires for every payment that has the fact', async () => {
  await fc.assert(
    fc.asyncProperty(tree, async (inner) => {
      const conditions = { all: [inner] };
      const found = findCertainties(parseConditions(conditions), (c) =>
        toPredicate(c, (n) => n === 'customer.count.1h'),
      );
      for (const { pointer, always, subject } of found) {
        // A place under a `not` is judged as its complement, and one inside a group given the group's other conditions:
        // so the claim is checked on the whole rule where it is impossible, and on the place itself where it is always true.
        if (!always || pointer.includes('/not')) continue;
        const place = at(conditions, pointer);
        const rule = {
          name: 'R-1',
          conditions: { all: [place] },
          event: { type: 'hit', params: { version: 1, text: 'x', weight: 0 } },
        };
        const engine = new ReferenceEngine([rule], lists);
        for (const facts of everyPayment()) {
          if (facts.has(subject)) expect(await engine.run(facts), JSON.stringify([...facts])).toEqual(['R-1']);
        }
      }
      if (
        found.some(({ pointer, always }) => !always && (pointer === '/conditions' || pointer === '/conditions/all/0'))
      ) {
        const rule = { name: 'R-1', conditions, event: { type: 'hit', params: { version: 1, text: 'x', weight: 0 } } };
        const engine = new ReferenceEngine([rule], lists);
        for (const facts of everyPayment()) expect(await engine.run(facts), JSON.stringify([...facts])).toEqual([]);
      }
    }),
    { numRuns: 150 },
  );
}, 60_000);
