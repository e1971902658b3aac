// Guarantee: what is wrong with a release's features.json is said in a sentence with its place, and all of it at once; what
// passes compiles to the names the contract promises.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lintFeatures } from '../../../src/features/lint.ts';
import { compileFeatures, FeatureDefinitionError } from '../../../src/features/program.ts';

const count = { entity: 'customer', aggregate: 'count', windows: ['1h'] };

function problems(definitions: Record<string, unknown>): readonly string[] {
  const lint = lintFeatures({ version: 1, features: [count], ...definitions });
  return lint.ok ? [] : lint.problems.map(({ pointer, message }) => `${pointer}: ${message}`);
}

describe('feature names', () => {
  it('are as the contract writes them, derived ones last', () => {
    const program = compileFeatures({
      version: 1,
      filters: { small: { amountMinor: { max: 500 } } },
      features: [
        { entity: 'customer', aggregate: 'sum', windows: ['60m', '1d'] },
        { entity: 'card', aggregate: 'distinct', field: 'country', windows: ['24h'] },
        { entity: 'terminal', aggregate: 'fraudRate', windows: ['7d'], delay: '7d' },
        { entity: 'customer+merchant', aggregate: 'count', windows: ['30d'] },
        { entity: 'card', aggregate: 'count', windows: ['90m'], filter: 'small' },
        { entity: 'customer', aggregate: 'sinceLast' },
      ],
      derived: [{ name: 'customer.share', op: 'ratio', of: ['amountMinor', 'customer.sum.amountMinor.24h'] }],
    });
    expect(program.names).toEqual([
      'customer.sum.amountMinor.1h',
      'customer.sum.amountMinor.24h',
      'card.distinct.country.24h',
      'terminal.fraudRate.7d.delay7d',
      'customer+merchant.count.30d',
      'card.count.90m.small',
      'customer.sinceLast',
      'customer.share',
    ]);
    expect(
      compileFeatures({
        version: 1,
        filters: { small: { amountMinor: { max: 500 } } },
        features: [
          { entity: 'terminal', aggregate: 'frauds', windows: ['1d'], delay: '7d' },
          { entity: 'terminal', aggregate: 'fraudRun', delay: '7d' },
          { entity: 'terminal', aggregate: 'sinceGenuine', windows: ['30d'], delay: '7d', filter: 'small' },
          {
            entity: 'customer',
            aggregate: 'unusual',
            windows: ['3d'],
            reference: '30d',
            referenceDelay: '14d',
            timesMean: [3.5],
            deviations: [2],
          },
        ],
      }).names,
    ).toEqual([
      'terminal.frauds.24h.delay7d',
      'terminal.fraudRun.delay7d',
      'terminal.sinceGenuine.30d.delay7d.small',
      'customer.unusual.amountMinor.3d.over3p5xMean30dBefore14d',
      'customer.unusual.amountMinor.3d.over2sd30dBefore14d',
    ]);
  });

  it('say in which role an entity is read, and compute nothing twice for it', () => {
    const program = compileFeatures({
      version: 1,
      features: [
        { entity: 'account', as: 'counterpartyAccount', aggregate: 'count', windows: ['1d'] },
        { entity: 'counterpartyAccount', aggregate: 'count', windows: ['7d'] },
        { entity: 'counterpartyAccount+account', as: 'account+counterpartyAccount', aggregate: 'isFirst' },
      ],
    });
    expect(program.names).toEqual([
      'accountAsCounterpartyAccount.count.24h',
      'counterpartyAccount.count.7d',
      'counterpartyAccount+accountAsAccount+counterpartyAccount.isFirst',
    ]);
    expect(program.entities.map(({ kind }) => kind)).toEqual(['counterpartyAccount', 'account+counterpartyAccount']);
    expect(program.roles.map(({ index }) => index)).toEqual([0, 1]);
  });

  it('of the default release are all there', () => {
    const path = resolve(import.meta.dirname, '../../../config/default/features.json');
    const { names } = compileFeatures(JSON.parse(readFileSync(path, 'utf8')));
    const spans = ['1h', '24h', '7d', '30d'];
    const promised = spans.flatMap((span) => [
      `customer.count.${span}`,
      `customer.sum.amountMinor.${span}`,
      ...['card', 'device', 'terminal', 'ip'].map((entity) => `${entity}.count.${span}`),
    ]);
    expect(promised.filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('the state fingerprint', () => {
  it('changes with what is kept, not with a window inside the reach, a derived feature or the order of filters', () => {
    const small = { amountMinor: { max: 500 } };
    const web = { channel: { in: ['ecommerce'] } };
    const of = (more: Record<string, unknown>): string =>
      compileFeatures({ version: 1, features: [count], ...more }).stateFingerprint;
    const filtered = [
      { ...count, filter: 'web' },
      { ...count, filter: 'small' },
    ];
    const plain = of({});
    expect(of({ derived: [{ name: 'a.b', op: 'ratio', of: ['amountMinor', 'customer.count.1h'] }] })).toBe(plain);
    expect(of({ features: [{ ...count, windows: ['10m', '1h'] }] })).toBe(plain);
    expect(of({ features: [count, { ...count, windows: ['30m'], delay: '30m' }] })).toBe(plain);
    expect(of({ features: [count, { ...count, entity: 'account', as: 'customer' }] })).toBe(plain);
    expect(of({ features: [{ ...count, windows: ['2h'] }] })).not.toBe(plain);
    expect(of({ ringEventsMax: 64 })).not.toBe(plain);
    expect(of({ features: filtered, filters: { small, web } })).toBe(
      of({ features: filtered, filters: { web, small } }),
    );
  });
});

describe('lint', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['a window', { features: [{ ...count, windows: ['1x'] }] }, '/features/0/windows/0: "1x" is not a duration'],
    ['a window too long', { features: [{ ...count, windows: ['91d'] }] }, 'between 1m and 90d'],
    ['no window', { features: [{ entity: 'card', aggregate: 'sum' }] }, '/features/0/windows: sum needs windows'],
    ['a window too much', { features: [{ ...count, aggregate: 'isFirst' }] }, 'isFirst takes no windows'],
    [
      'a twin',
      { features: [count, { ...count, windows: ['60m'] }] },
      '/features/1: customer.count.1h is defined twice',
    ],
    ['a filter', { features: [{ ...count, filter: 'none' }] }, '/features/0/filter: no filter is named "none"'],
    ['a field', { features: [{ ...count, field: 'country' }] }, '/features/0/field: count takes no field'],
    [
      'a sum',
      { features: [{ ...count, aggregate: 'sum', field: 'country' }] },
      'sum is over amountMinor, not "country"',
    ],
    ['nothing to count', { features: [{ ...count, aggregate: 'distinct' }] }, 'distinct needs a field to count'],
    ['itself', { features: [{ ...count, aggregate: 'distinct', field: 'customer' }] }, 'is the entity itself'],
    ['a pair', { features: [{ ...count, entity: 'card+card' }] }, '"card+card" pairs a field with itself'],
    ['an entity', { features: [{ ...count, entity: 'country' }] }, '/features/0/entity: '],
    ['an aggregate', { features: [{ ...count, aggregate: 'median' }] }, '/features/0/aggregate: '],
    ['an empty filter', { filters: { odd: { amountMinor: { min: 5, max: 4 } } } }, 'min 5 is above max 4'],
    ['an absent one', { filters: { odd: { card: { present: false, in: ['a'] } } } }, 'must be absent cannot be one of'],
    [
      'an operand',
      { derived: [{ name: 'a.b', op: 'ratio', of: ['amountMinor', 'x'] }] },
      '/derived/0/of/1: "x" is neither',
    ],
    [
      'a rate upside down',
      {
        features: [{ ...count, windows: ['1h', '7d'] }],
        derived: [{ name: 'a.b', op: 'rate', of: ['customer.count.7d', 'customer.count.1h'] }],
      },
      'rate compares a short window with a longer one',
    ],
    [
      'a label run without a delay',
      { features: [{ entity: 'terminal', aggregate: 'fraudRun' }] },
      '/features/0/delay: fraudRun needs a delay',
    ],
    [
      'unusual amounts without a factor',
      { features: [{ ...count, aggregate: 'unusual', reference: '30d' }] },
      '/features/0: unusual needs timesMean or deviations',
    ],
    [
      'unusual amounts without a reference',
      { features: [{ ...count, aggregate: 'unusual', timesMean: [3] }] },
      '/features/0/reference: unusual needs a reference',
    ],
    [
      'a factor that no name can say',
      { features: [{ ...count, aggregate: 'unusual', reference: '30d', timesMean: [2, 1.234] }] },
      '/features/0/timesMean/1: 1.234 has more than two decimals',
    ],
    ['a reference of a count', { features: [{ ...count, reference: '30d' }] }, '/features/0/reference: count takes no'],
    [
      'a smoothed rate that does not say its prior',
      { derived: [{ name: 'a.b', op: 'smoothedRate', weight: 5, of: ['customer.count.1h', 'customer.count.1h'] }] },
      '/derived/0: smoothedRate needs a prior',
    ],
    [
      'a prior of another op',
      { derived: [{ name: 'a.b', op: 'ratio', prior: 0.1, of: ['amountMinor', 'customer.count.1h'] }] },
      '/derived/0/prior: ratio takes no prior',
    ],
    [
      'a derived feature of a later one',
      {
        derived: [
          { name: 'a.b', op: 'ratio', of: ['amountMinor', 'a.c'] },
          { name: 'a.c', op: 'ratio', of: ['amountMinor', 'customer.count.1h'] },
        ],
      },
      '/derived/0/of/1: "a.c" is neither',
    ],
    [
      'a name taken',
      { derived: [{ name: 'customer.count.1h', op: 'ratio', of: ['amountMinor', 'amountMinor'] }] },
      'twice',
    ],
    [
      'a role that is none',
      { features: [{ ...count, as: 'customer' }] },
      '/features/0/as: "customer" is the entity itself',
    ],
    ['a role of a pair', { features: [{ ...count, as: 'card+device' }] }, '/features/0/as: "customer" is of one field'],
    [
      'the field that says whose it is',
      { features: [{ ...count, as: 'account', aggregate: 'distinct', field: 'account' }] },
      '"account" is the entity itself',
    ],
    [
      'values in common of a count',
      { derived: [{ name: 'a.b', op: 'common', of: ['customer.count.1h', 'customer.count.1h'] }] },
      '/derived/0/of: common is of two distinct features',
    ],
    [
      'values in common of countries and devices',
      {
        features: ['country', 'device'].map((field) => ({ ...count, aggregate: 'distinct', field })),
        derived: [{ name: 'a.b', op: 'common', of: ['customer.distinct.country.1h', 'customer.distinct.device.1h'] }],
      },
      'common compares identifiers with identifiers',
    ],
    ['an unknown key', { colour: 'red' }, ': '],
  ])('names %s', (_what, definitions, message) => {
    expect(problems(definitions).some((problem) => problem.includes(message))).toBe(true);
    expect(() => compileFeatures({ version: 1, features: [count], ...definitions })).toThrow(FeatureDefinitionError);
  });

  it('names all problems, not only the first', () => {
    const features = [{ ...count, windows: ['1x', '2y'], filter: 'none' }];
    expect(problems({ features })).toHaveLength(3);
  });

  it('refuses more filters on an entity than its records have bits', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => `f${letter}`);
    const filters = Object.fromEntries(names.map((name) => [name, { amountMinor: { min: 1 } }]));
    const features = names.map((filter) => ({ ...count, filter }));
    expect(problems({ filters, features })).toEqual(['/features: entity customer uses 8 filters, at most 7 fit']);
    expect(problems({ filters, features: features.slice(1) })).toEqual([]);
  });
});
