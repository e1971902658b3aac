import { describe, expect, it } from 'vitest';
import { runRuleCases } from '../../../src/rules/cases.ts';

const rules = [
  {
    name: 'R-1',
    conditions: { all: [{ fact: 'country', operator: 'inList', value: 'far' }] },
    event: { type: 'hit', params: { version: 1, text: 'Far', weight: 0.1 } },
  },
];
const known = { features: [], lists: new Map([['far', new Set(['NZ'])]]) };

describe('runRuleCases', () => {
  it('tells which cases fail and why, with the evaluation, and which rules lack a case of either kind', () => {
    const report = runRuleCases(
      rules,
      [
        { rule: 'R-1', name: 'far away', fires: true, facts: { country: 'NZ' } },
        { rule: 'R-1', name: 'near', fires: true, facts: { country: 'DE' } },
        { rule: 'R-2', name: 'no such rule', fires: true, facts: {} },
        { rule: 'R-1', name: 'a misspelt fact', fires: false, facts: { contry: 'NZ' } },
      ],
      known,
    );
    if ('problems' in report) throw new Error(report.problems.join());
    expect(report.results.map((result) => result.message)).toEqual([
      '',
      'R-1 should fire and does not',
      'there is no rule R-2',
      'contry is not a fact of this release',
    ]);
    expect(report.results[1]?.tree?.result).toBe(false);
    expect([report.passed, report.failed]).toEqual([1, 3]);
    expect(report.withoutQuietCase).toEqual([]);
    expect(runRuleCases(rules, [], known)).toMatchObject({ withoutFiringCase: ['R-1'], withoutQuietCase: ['R-1'] });
  });

  it('does not run rules that do not pass the lint, nor cases that are malformed', () => {
    expect(runRuleCases([{}], [], known)).toHaveProperty('problems');
    expect(runRuleCases(rules, [{ rule: 'R-1' }], known)).toHaveProperty('problems');
    expect(runRuleCases(rules, {}, known)).toHaveProperty('problems');
  });
});
