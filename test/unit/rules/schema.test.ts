import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { expect, it } from 'vitest';
import { lintRules } from '../../../src/rules/lint.ts';
import { RuleDefinitions } from '../../../src/rules/schema.ts';
import { features, lists, ruleSets } from './arbitraries.ts';

const schema = Compile(RuleDefinitions);

it('every rule that the lint passes is valid by the published schema, the default rules among them', () => {
  const defaults: unknown = JSON.parse(
    readFileSync(new URL('../../../config/default/rules.json', import.meta.url), 'utf8'),
  );
  expect(schema.Errors(defaults)).toEqual([]);
  let passed = 0;
  fc.assert(
    fc.property(ruleSets, (rules) => {
      for (const rule of rules) {
        if (lintRules([rule], { features, lists: [...lists.keys()] }).length > 0) continue;
        passed++;
        expect(schema.Check([rule])).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
  expect(passed).toBeGreaterThan(20);
});

it('the schema refuses what would reach jsonpath or run as code', () => {
  const rule = (condition: unknown): unknown => [
    {
      name: 'R-1',
      conditions: { all: [condition] },
      event: { type: 'hit', params: { version: 1, text: 'x', weight: 0 } },
    },
  ];
  expect(schema.Check(rule({ fact: 'attributes', path: 'x', operator: 'equal', value: 1 }))).toBe(true);
  expect(schema.Check(rule({ fact: 'attributes', path: '$.x', operator: 'equal', value: 1 }))).toBe(false);
  expect(schema.Check(rule({ fact: 'amountMinor', operator: 'equal', value: 1, onSuccess: 'x' }))).toBe(false);
  expect(schema.Check(rule({ condition: 'shared' }))).toBe(false);
});
