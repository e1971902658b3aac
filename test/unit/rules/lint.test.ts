import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRules } from '../../../src/rules/compile.ts';
import { conditionsPerRuleMax, ruleDepthMax, rulesMax } from '../../../src/rules/limits.ts';
import { lintRules } from '../../../src/rules/lint.ts';
import { collectColumnNeeds, layoutFor } from '../../../src/rules/needs.ts';
import { problemsMax } from '../../../src/rules/problem.ts';
import { ReferenceEngine } from '../../../src/rules/reference.ts';
import { features, lists, ruleSets } from './arbitraries.ts';

const known = {
  features: [...features, 'card.count.1h', 'customer.sum.amountMinor.1h', 'card.isFirst'],
  lists: ['some', 'none'],
};
const params = { version: 1, text: 'Seen {amountMinor}', weight: 0.5 };

function rule(conditions: unknown, over: Record<string, unknown> = {}): Record<string, unknown> {
  return { name: 'R-017', conditions, event: { type: 'hit', params }, ...over };
}
function condition(fact: string, operator: string, value: unknown, over: Record<string, unknown> = {}): unknown {
  return { fact, operator, value, ...over };
}
/** Code and pointer of each problem of one rule; the pointer inside the rule. */
function problemsOf(one: unknown): readonly string[] {
  return lintRules([one], known).map(({ code, pointer }) => `${code} ${pointer.slice(2)}`);
}
function problemsOfConditions(...all: unknown[]): readonly string[] {
  return problemsOf(rule({ all }));
}
const at0 = '/conditions/all/0';

describe('lintRules', () => {
  it('accepts every form of the language, and what it accepts compiles and loads into json-rules-engine', () => {
    const good = rule(
      {
        any: [
          {
            all: [
              condition('amountMinor', 'greaterThan', 100, { priority: 2, name: 'large' }),
              condition('country', 'notIn', ['US', 'DE']),
              condition('country', 'inList', 'some'),
              { not: condition('channel', 'equal', 'atm') },
            ],
          },
          condition('attributes', 'equal', true, { path: 'a.b' }),
          condition('attributes.risk score', 'lessThan', 5),
          condition('feature', 'greaterThanInclusive', 2, { params: { name: 'card.count.1h' } }),
          condition('card.count.1h', 'greaterThan', { fact: 'customer.count.1h' }),
          condition('attributes.limit', 'lessThan', { fact: 'feature', params: { name: 'card.count.1h' } }),
          condition('model.probability', 'greaterThan', 0.5),
        ],
      },
      { priority: 5 },
    );
    expect(lintRules([good], known)).toEqual([]);
    const needs = collectColumnNeeds([good], known.features);
    expect(() => compileRules([good], layoutFor(needs, known.features))).not.toThrow();
    expect(() => new ReferenceEngine([good], lists)).not.toThrow();
  });

  it('names the rule and the position in each message', () => {
    const first = lintRules([rule({ all: [condition('amountMinor', 'over', 1)] })], known)[0];
    expect(first?.ruleId).toBe('R-017');
    expect(first?.pointer).toBe('/0/conditions/all/0/operator');
    expect(first?.message).toMatch(/^R-017 at \/0\/conditions\/all\/0\/operator: "over" is not an operator; known: /);
  });

  it.each([
    ['an unknown fact', condition('amount', 'equal', 1), `unknown_fact ${at0}/fact`],
    ['an unknown feature', condition('feature', 'equal', 1, { params: { name: 'x' } }), `unknown_fact ${at0}/fact`],
    ['attributes without a name', condition('attributes.', 'equal', 1), `unknown_fact ${at0}/fact`],
    ['attributes without a path', condition('attributes', 'equal', 1), `malformed ${at0}/fact`],
    ['params elsewhere', condition('amountMinor', 'equal', 1, { params: { name: 'x' } }), `malformed ${at0}/params`],
    ['an unknown operator', condition('amountMinor', 'like', 1), `unknown_operator ${at0}/operator`],
    ['a decorated operator', condition('amountMinor', 'not:equal', 1), `unknown_operator ${at0}/operator`],
    ['an unknown list', condition('country', 'inList', 'other'), `unknown_list ${at0}/value`],
    ['a number in a list', condition('amountMinor', 'inList', 'some'), `type_mismatch ${at0}/fact`],
    ['an attribute in a list', condition('attributes.x', 'inList', 'some'), `type_mismatch ${at0}/fact`],
    ['text that is to be greater', condition('country', 'greaterThan', 1), `type_mismatch ${at0}/operator`],
    ['a number that is to equal text', condition('amountMinor', 'equal', 'x'), `type_mismatch ${at0}/value`],
    ['text that is to equal a number', condition('country', 'equal', 1), `type_mismatch ${at0}/value`],
    ['a number that is to be over text', condition('amountMinor', 'greaterThan', '5'), `type_mismatch ${at0}/value`],
    ['null', condition('attributes.x', 'equal', null), `type_mismatch ${at0}/value`],
    ['in without an array', condition('country', 'in', 'US'), `type_mismatch ${at0}/value`],
    ['a wrong member', condition('country', 'in', ['US', 1]), `type_mismatch ${at0}/value/1`],
    ['contains', condition('country', 'contains', 'U'), `type_mismatch ${at0}/operator`],
    ['text compared with a fact', condition('country', 'equal', { fact: 'channel' }), `type_mismatch ${at0}/value`],
    [
      'an attribute on the right',
      condition('amountMinor', 'lessThan', { fact: 'attributes.x' }),
      `type_mismatch ${at0}/value`,
    ],
    [
      'an unknown fact on the right',
      condition('amountMinor', 'lessThan', { fact: 'x' }),
      `unknown_fact ${at0}/value/fact`,
    ],
    ['in nothing', condition('country', 'in', []), `impossible ${at0}/value`],
    ['a count below 0', condition('card.count.1h', 'lessThan', 0), `impossible ${at0}`],
    ['a count that is always reached', condition('card.count.1h', 'greaterThanInclusive', 0), `always_true ${at0}`],
    ['a broken count', condition('card.count.1h', 'equal', 1.5), `impossible ${at0}/value`],
    ['a probability above 1', condition('model.probability', 'greaterThan', 1), `impossible ${at0}`],
    ['a rate above 1', condition('terminal.fraudRate.7d.delay7d', 'greaterThan', 1.5), `impossible ${at0}`],
    ['a negative sum', condition('customer.sum.amountMinor.1h', 'lessThanInclusive', -1), `impossible ${at0}`],
    ['hour 24', condition('hourOfDay', 'greaterThanInclusive', 24), `impossible ${at0}`],
    ['day 0', condition('dayOfWeek', 'in', [0, 1]), `impossible ${at0}/value/0`],
    ['a country that is none', condition('country', 'equal', 'XX'), `impossible ${at0}/value`],
    ['a channel that is none', condition('channel', 'notEqual', 'web'), `impossible ${at0}/value`],
    ['a short category', condition('merchantCategoryCode', 'equal', '541'), `impossible ${at0}/value`],
    ['a fact under itself', condition('amountMinor', 'lessThan', { fact: 'amountMinor' }), `impossible ${at0}`],
    ['an unknown key', condition('amountMinor', 'equal', 1, { onSuccess: 'x' }), `unknown_key ${at0}/onSuccess`],
    ['a named condition', { condition: 'shared' }, `unknown_key ${at0}/condition`],
    ['a condition that is text', 'amountMinor > 1', `malformed ${at0}`],
    ['two groups in one', { all: [], any: [] }, `malformed ${at0}`],
    ['an empty group', { any: [] }, `malformed ${at0}/any`],
    ['not of many', { not: [condition('amountMinor', 'equal', 1)] }, `malformed ${at0}/not`],
  ])('refuses %s', (_name, wrong, expected) => {
    expect(problemsOfConditions(wrong)).toContain(expected);
  });

  it.each<[unknown, string]>([
    ['$.x', 'a JSONPath'],
    ['$..[?(@.constructor.constructor("return process")())]', 'code in a JSONPath'],
    ['x[0]', 'an index'],
    ['*', 'a wildcard'],
    ['a..b', 'an empty part'],
    ['__proto__.x', 'a prototype'],
    ['', 'nothing'],
    [1, 'a number'],
  ])('never lets the path %s through to json-rules-engine: %s', (path) => {
    expect(problemsOfConditions(condition('attributes', 'equal', 1, { path }))).toContain(`forbidden_path ${at0}/path`);
    expect(problemsOfConditions(condition('amountMinor', 'lessThan', { fact: 'attributes', path }))).toContain(
      `forbidden_path ${at0}/value/path`,
    );
  });

  it('refuses a path on any other fact, and dangerous attribute names however they are spelled', () => {
    expect(problemsOfConditions(condition('amountMinor', 'equal', 1, { path: 'x' }))).toEqual([
      `forbidden_path ${at0}/path`,
    ]);
    expect(problemsOfConditions(condition('attributes.$.x', 'equal', 1))).toEqual([`unknown_fact ${at0}/fact`]);
    expect(problemsOfConditions(condition('attributes.__proto__', 'equal', 1))).toEqual([`unknown_fact ${at0}/fact`]);
  });

  it('finds groups that no payment can meet, and groups that every payment meets', () => {
    const over = condition('amountMinor', 'greaterThan', 10);
    const under = condition('amountMinor', 'lessThan', 5);
    expect(problemsOf(rule({ all: [over, under] }))).toEqual(['impossible /conditions']);
    expect(problemsOf(rule({ all: [over, { all: [under] }] }))).toEqual(['impossible /conditions']);
    expect(problemsOf(rule({ all: [over, { any: [under, condition('country', 'equal', 'US')] }] }))).toEqual([
      'impossible /conditions/all/1/any/0',
    ]);
    expect(
      problemsOf(rule({ any: [condition('amountMinor', 'lessThan', 10), condition('amountMinor', 'greaterThan', 5)] })),
    ).toEqual(['always_true /conditions']);
    expect(problemsOf(rule({ not: { all: [over, under] } }))).toEqual(['always_true /conditions/not']);
    const equal = (x: string): unknown => condition('country', 'equal', x);
    expect(problemsOf(rule({ all: [equal('US'), equal('DE')] }))).toEqual(['impossible /conditions']);
    expect(problemsOf(rule({ all: [equal('US'), { not: equal('US') }] }))).toEqual(['impossible /conditions']);
    expect(
      problemsOf(
        rule({ any: [condition('channel', 'notEqual', 'atm'), condition('channel', 'notEqual', 'transfer')] }),
      ),
    ).toEqual(['always_true /conditions']);
    // Integers: nothing lies between 1 and 2.
    const between = [condition('card.count.1h', 'greaterThan', 1), condition('card.count.1h', 'lessThan', 2)];
    expect(problemsOf(rule({ all: between }))).toEqual(['impossible /conditions']);
    const listed = [condition('country', 'inList', 'some'), condition('country', 'notInList', 'some')];
    expect(problemsOf(rule({ all: listed }))).toEqual(['impossible /conditions']);
    const pair = (operator: string): unknown => condition('card.count.1h', operator, { fact: 'customer.count.1h' });
    expect(problemsOf(rule({ all: [pair('lessThan'), pair('greaterThan')] }))).toEqual(['impossible /conditions']);
  });

  it('leaves alone what can be true and can be false', () => {
    const sides = [condition('amountMinor', 'greaterThan', 10), condition('amountMinor', 'lessThan', 12)];
    expect(problemsOf(rule({ all: sides }))).toEqual([]);
    expect(
      problemsOf(
        rule({ any: [condition('amountMinor', 'greaterThan', 12), condition('amountMinor', 'lessThan', 10)] }),
      ),
    ).toEqual([]);
    // Missing: neither at least 2 nor under 2.
    expect(problemsOf(rule({ not: { any: [condition('card.count.1h', 'greaterThan', 5)] } }))).toEqual([]);
    // An attribute may be the text "12": over 10, and equal to text.
    expect(
      problemsOf(
        rule({ all: [condition('attributes.x', 'equal', '12'), condition('attributes.x', 'greaterThan', 10)] }),
      ),
    ).toEqual([]);
  });

  it.each([
    ['no id', { name: undefined }, 'malformed /name'],
    ['an id that is a sentence', { name: 'the first rule' }, 'malformed /name'],
    ['priority 0', { priority: 0 }, 'out_of_range /priority'],
    ['priority 1.5', { priority: 1.5 }, 'out_of_range /priority'],
    ['no event', { event: undefined }, 'malformed /event'],
    ['an event that throws', { event: { type: 'error', params } }, 'malformed /event/type'],
    ['no parameters', { event: { type: 'hit' } }, 'malformed /event/params'],
    ['version 0', { event: { type: 'hit', params: { ...params, version: 0 } } }, 'out_of_range /event/params/version'],
    ['weight 1.1', { event: { type: 'hit', params: { ...params, weight: 1.1 } } }, 'out_of_range /event/params/weight'],
    [
      'weight NaN',
      { event: { type: 'hit', params: { ...params, weight: Number.NaN } } },
      'out_of_range /event/params/weight',
    ],
    [
      'a weight on allow',
      { event: { type: 'hit', params: { ...params, outcome: 'allow' } } },
      'out_of_range /event/params/weight',
    ],
    [
      'an unknown outcome',
      { event: { type: 'hit', params: { ...params, outcome: 'block' } } },
      'malformed /event/params/outcome',
    ],
    ['no text', { event: { type: 'hit', params: { ...params, text: ' ' } } }, 'malformed /event/params/text'],
    ['an open brace', { event: { type: 'hit', params: { ...params, text: 'a {b' } } }, 'malformed /event/params/text'],
    [
      'an unknown placeholder',
      { event: { type: 'hit', params: { ...params, text: '{amount}' } } },
      'unknown_placeholder /event/params/text',
    ],
    [
      'an unknown format',
      { event: { type: 'hit', params: { ...params, text: '{amountMinor:euro}' } } },
      'malformed /event/params/text',
    ],
    ['code', { onSuccess: 'x' }, 'unknown_key /onSuccess'],
  ])('refuses a rule with %s', (_name, over, expected) => {
    expect(problemsOf(rule({ all: [condition('amountMinor', 'greaterThan', 1)] }, over))).toContain(expected);
  });

  it('refuses what is too deep, too large or too many, without following it', () => {
    let deep: unknown = condition('amountMinor', 'greaterThan', 1);
    for (let i = 0; i < 100_000; i++) deep = { not: deep };
    expect(problemsOf(rule({ all: [deep] })).map((p) => p.split(' ')[0])).toEqual(['too_deep']);
    let fits: unknown = condition('amountMinor', 'greaterThan', 1);
    for (let i = 0; i < ruleDepthMax - 1; i++) fits = { not: fits };
    expect(problemsOf(rule({ all: [fits] }))).toEqual([]);
    const many = Array.from({ length: conditionsPerRuleMax + 1 }, () => condition('amountMinor', 'greaterThan', 1));
    expect(problemsOf(rule({ all: many }))).toEqual(['too_many /conditions/all']);
    const halves = { all: [{ all: many.slice(0, 40) }, { all: many.slice(0, 40) }] };
    expect(problemsOf(rule(halves))).toEqual(['too_many /conditions/all/1/all/24']);
    expect(
      lintRules(
        Array.from({ length: rulesMax + 1 }, () => ({})),
        known,
      ).map((p) => p.code),
    ).toEqual(['too_many']);
    expect(
      lintRules(
        Array.from({ length: rulesMax }, () => ({})),
        known,
      ),
    ).toHaveLength(problemsMax);
  });

  it('refuses an id that two rules share', () => {
    const one = rule({ all: [condition('amountMinor', 'greaterThan', 1)] });
    expect(lintRules([one, one], known).map((p) => `${p.code} ${p.pointer}`)).toEqual(['duplicate_id /1/name']);
  });

  it('never throws, whatever JSON it is given, and what it passes compiles and loads', () => {
    const passed = (rules: unknown): boolean => lintRules(rules, { features, lists: [...lists.keys()] }).length === 0;
    fc.assert(
      fc.property(
        fc.oneof(
          ruleSets,
          fc.json().map((text) => [rule(JSON.parse(text))]),
          fc.jsonValue(),
        ),
        (rules) => {
          if (!passed(rules) || !Array.isArray(rules)) return;
          compileRules(rules, layoutFor(collectColumnNeeds(rules, features), features));
          expect(new ReferenceEngine(rules, lists)).toBeDefined();
        },
      ),
      { numRuns: 500 },
    );
  });
});
