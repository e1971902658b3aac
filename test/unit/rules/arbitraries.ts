/** Random rules and facts that meet often: few facts, few values, every operator, many missing and wrong-typed values. */
import fc from 'fast-check';
import type { Literal } from '../../../src/features/frame.ts';

export const features = [
  'customer.count.1h',
  'customer.mean.amountMinor.30d',
  'terminal.fraudRate.7d.delay7d',
  'ratio',
];
export const lists = new Map<string, ReadonlySet<string>>([
  ['some', new Set(['US', 'a', '5411', 'ecommerce'])],
  ['none', new Set<string>()],
]);

const numbers = fc.constantFrom(
  -1,
  -0,
  0,
  0.1,
  1,
  2,
  2.5,
  3,
  5411,
  1e9,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
);
const texts = fc.constantFrom(
  '',
  'a',
  'US',
  'DE',
  '1',
  '2.5',
  ' 3 ',
  '3x',
  '0x10',
  'true',
  '5411',
  'Infinity',
  'ecommerce',
);
const literals: fc.Arbitrary<Literal> = fc.oneof(numbers, texts, fc.boolean());

const numericFact = fc.constantFrom('amountMinor', 'hourOfDay', 'model.probability', ...features);
const stringFact = fc.constantFrom('country', 'channel', 'merchantCategoryCode', 'deviceId');
const attribute = fc.constantFrom('attributes.x', 'attributes.y', 'attributes.a.b');

/** The same fact in the forms that the language allows. */
function reference(fact: string): fc.Arbitrary<Record<string, unknown>> {
  if (fact.startsWith('attributes.')) {
    return fc.constantFrom<Record<string, unknown>>(
      { fact },
      { fact: 'attributes', path: fact.slice('attributes.'.length) },
    );
  }
  if (!features.includes(fact)) return fc.constant({ fact });
  return fc.constantFrom<Record<string, unknown>>({ fact }, { fact: 'feature', params: { name: fact } });
}

const order = fc.constantFrom('lessThan', 'lessThanInclusive', 'greaterThan', 'greaterThanInclusive');
const equality = fc.constantFrom('equal', 'notEqual');
const membership = fc.constantFrom('in', 'notIn');
const finite = numbers.filter((x) => Number.isFinite(x));

function condition(fact: fc.Arbitrary<string>, operator: fc.Arbitrary<string>, value: fc.Arbitrary<unknown>) {
  return fc
    .tuple(fact.chain(reference), operator, value, fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }))
    .map(([left, op, v, priority]) => ({
      ...left,
      operator: op,
      value: v,
      ...(priority === undefined ? {} : { priority }),
    }));
}

const anyCondition = fc.oneof(
  { arbitrary: condition(fc.oneof(numericFact, attribute), order, finite), weight: 4 },
  { arbitrary: condition(fc.oneof(numericFact, attribute), order, numericFact.chain(reference)), weight: 1 },
  { arbitrary: condition(numericFact, equality, numericFact.chain(reference)), weight: 1 },
  { arbitrary: condition(fc.oneof(numericFact, stringFact, attribute), equality, literals), weight: 3 },
  {
    arbitrary: condition(
      fc.oneof(numericFact, stringFact, attribute),
      membership,
      fc.array(literals, { maxLength: 4 }),
    ),
    weight: 3,
  },
  {
    arbitrary: condition(stringFact, fc.constantFrom('inList', 'notInList'), fc.constantFrom('some', 'none')),
    weight: 1,
  },
  {
    arbitrary: condition(
      fc.oneof(numericFact, stringFact, attribute),
      fc.constantFrom('contains', 'doesNotContain'),
      literals,
    ),
    weight: 1,
  },
);

const { tree } = fc.letrec<{ tree: unknown; group: unknown }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3, withCrossShrink: true }, anyCondition, tie('group')),
  group: fc.oneof(
    fc.array(tie('tree'), { minLength: 1, maxLength: 4 }).map((all) => ({ all })),
    fc.array(tie('tree'), { minLength: 1, maxLength: 4 }).map((any) => ({ any })),
    tie('tree').map((not) => ({ not })),
  ),
}));
const conditions = fc.oneof(
  fc.array(tree, { minLength: 1, maxLength: 4 }).map((all) => ({ all })),
  fc.array(tree, { minLength: 1, maxLength: 4 }).map((any) => ({ any })),
  tree.map((not) => ({ not })),
);

/** 1 to 12 rules, not linted: impossible and always-true conditions must agree with the oracle too. */
export const ruleSets = fc
  .array(fc.tuple(conditions, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 12 })
  .map((drafts) =>
    drafts.map(([tree_, priority], i) => ({
      name: `R-${String(i).padStart(3, '0')}`,
      priority,
      conditions: tree_,
      event: { type: 'score', params: { version: 1, text: 'Seen', weight: 0.5 } },
    })),
  );

function optional(
  entries: Readonly<Record<string, fc.Arbitrary<Literal>>>,
): fc.Arbitrary<ReadonlyMap<string, Literal>> {
  return fc
    .record(entries, { requiredKeys: [] })
    .map((record) => new Map(Object.entries(record).filter((e): e is [string, Literal] => e[1] !== undefined)));
}

/** Facts of one payment, each possibly missing; attributes of any type. */
export const factSets = optional({
  amountMinor: numbers,
  hourOfDay: numbers,
  'model.probability': numbers,
  ...Object.fromEntries(features.map((name) => [name, numbers])),
  country: texts,
  channel: texts,
  merchantCategoryCode: texts,
  deviceId: texts,
  'attributes.x': literals,
  'attributes.y': literals,
  'attributes.a.b': literals,
});
