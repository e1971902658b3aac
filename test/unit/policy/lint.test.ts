import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import { lintPolicy } from '../../../src/policy/lint.ts';
import type { PolicyDefinition } from '../../../src/policy/schema.ts';

const defaults = JSON.parse(
  readFileSync(new URL('../../../config/default/policy.json', import.meta.url), 'utf8'),
) as PolicyDefinition;
const lists = new Map(defaults.lists.map((entry) => [entry.list, new Set<string>()]));

function pointers(change: Readonly<Record<string, unknown>>): readonly string[] {
  return lintPolicy({ ...defaults, ...change }, lists).map((problem) => problem.pointer);
}
const band = { holdFromScore: 0.5 };

it.each<[string, Readonly<Record<string, unknown>>, string]>([
  ['a threshold of 0', { thresholds: { default: [{ holdFromScore: 0 }] } }, '/thresholds/default/0/holdFromScore'],
  ['no band', { thresholds: { default: [] } }, '/thresholds/default'],
  [
    'a last band with an end',
    { thresholds: { default: [{ ...band, belowAmountMinor: 5 }] } },
    '/thresholds/default/0/belowAmountMinor',
  ],
  [
    'an endless band in the middle',
    { thresholds: { default: [band, band] } },
    '/thresholds/default/0/belowAmountMinor',
  ],
  [
    'bands that fall',
    { thresholds: { default: [{ ...band, belowAmountMinor: 5 }, { ...band, belowAmountMinor: 5 }, band] } },
    '/thresholds/default/1/belowAmountMinor',
  ],
  ['a wrong currency', { thresholds: { default: [band], currencies: { euro: [band] } } }, '/thresholds/currencies'],
  ['an unknown force', { precedence: ['holdList', 'holdRule', 'allowList', 'block'] }, '/precedence/3'],
  ['a force twice', { precedence: ['holdList', 'holdList', 'allowList', 'allowRule'] }, '/precedence'],
  ['a force left out', { precedence: ['holdList', 'holdRule', 'allowList'] }, '/precedence'],
  ['an unknown list', { lists: [{ ...defaults.lists[0], list: 'none' }] }, '/lists/0/list'],
  ['a field that is no text', { lists: [{ ...defaults.lists[0], field: 'amountMinor' }] }, '/lists/0/field'],
  ['a weight on an allow list', { lists: [{ ...defaults.lists[0], outcome: 'allow' }] }, '/lists/0/weight'],
  ['an unknown stage', { degraded: { ...defaults.degraded, stages: { 'model:late': 'asUsual' } } }, '/degraded/stages'],
  ['an unknown placeholder', { modelReason: { ...defaults.modelReason, text: '{p}' } }, '/modelReason/text'],
  ['an open brace', { degraded: { ...defaults.degraded, text: '{stages' } }, '/degraded/text'],
  ['an unknown key', { extra: 1 }, ''],
])('refuses %s, and names the place', (_name, change, pointer) => {
  expect(pointers(change)).toContain(pointer);
  expect(() => compilePolicy({ ...defaults, ...change }, lists)).toThrow(/^policy/);
});

it('never throws, whatever JSON it is given', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (definition) => {
      expect(lintPolicy(definition, lists).length).toBeGreaterThan(0);
    }),
  );
});
