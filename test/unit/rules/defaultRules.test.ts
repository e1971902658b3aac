import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileFeatures } from '../../../src/features/program.ts';
import type { RuleCase } from '../../../src/rules/cases.ts';
import { runRuleCases } from '../../../src/rules/cases.ts';
import { lintRules } from '../../../src/rules/lint.ts';
import { compileLists, lintLists } from '../../../src/rules/lists.ts';
import { ReferenceEngine } from '../../../src/rules/reference.ts';

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../config/default/${name}`, import.meta.url), 'utf8'));
}

const rules = load('rules.json') as readonly { readonly name: string }[];
const cases = load('rules-cases.json') as readonly RuleCase[];
const lists = compileLists(load('lists.json'));
const features = compileFeatures(load('features.json')).names;

describe('the default rules', () => {
  it('are at least 25, and neither they nor their lists have anything wrong', () => {
    expect(rules.length).toBeGreaterThanOrEqual(25);
    expect(lintLists(load('lists.json'))).toEqual([]);
    expect(lintRules(rules, { features, lists: [...lists.keys()] })).toEqual([]);
  });

  it('each have a case that fires them and one that does not, and every case comes out as it says', () => {
    const report = runRuleCases(rules, cases, { features, lists });
    if ('problems' in report) throw new Error(report.problems.join('\n'));
    expect(report.results.filter((result) => !result.passed)).toEqual([]);
    expect(report.passed).toBe(cases.length);
    expect(report.withoutFiringCase).toEqual([]);
    expect(report.withoutQuietCase).toEqual([]);
  });

  it('come out the same through json-rules-engine', async () => {
    const reference = new ReferenceEngine(rules, lists);
    for (const { rule, fires, facts, name } of cases) {
      const ids = await reference.run(new Map(Object.entries(facts)));
      expect(ids.includes(rule), `${rule}: ${name}`).toBe(fires);
    }
  });
});
