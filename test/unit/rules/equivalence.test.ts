import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Frame } from '../../../src/features/frame.ts';
import { compileRules } from '../../../src/rules/compile.ts';
import { fillFromFacts } from '../../../src/rules/factFrame.ts';
import { createRuleHits, isHit } from '../../../src/rules/hits.ts';
import { collectColumnNeeds, layoutFor } from '../../../src/rules/needs.ts';
import type { FactValues } from '../../../src/rules/reference.ts';
import { ReferenceEngine } from '../../../src/rules/reference.ts';
import { factSets, features, lists, ruleSets } from './arbitraries.ts';

const capacity = 96;

function evaluate(rules: readonly unknown[], rows: readonly FactValues[]): { ids: string[][]; explained: string[][] } {
  const layout = layoutFor(collectColumnNeeds(rules, features), features);
  const compiled = compileRules(rules, layout);
  const frame = new Frame(layout, capacity);
  const hits = createRuleHits(compiled.rules.length, capacity);
  hits.words.fill(0xffffffff);
  frame.rows = rows.length;
  rows.forEach((facts, row) => {
    fillFromFacts(frame, row, facts, lists);
  });
  compiled.evaluate(frame, hits);
  const idsWhere = (fires: (rule: number) => boolean): string[] =>
    compiled.rules.flatMap((meta, rule) => (fires(rule) ? [meta.id] : []));
  return {
    ids: rows.map((_, row) => idsWhere((rule) => isHit(hits, rule, row))),
    explained: rows.map((_, row) => idsWhere((rule) => compiled.explain(rule, frame, row).result)),
  };
}

describe('compiled rules', () => {
  it('fire for exactly the rules that json-rules-engine fires, for random rules, facts, missing facts and wrong types', async () => {
    await fc.assert(
      fc.asyncProperty(ruleSets, fc.array(factSets, { minLength: 1, maxLength: 70 }), async (rules, rows) => {
        const reference = new ReferenceEngine(rules, lists);
        const expected = await Promise.all(rows.map((facts) => reference.run(facts)));
        const { ids, explained } = evaluate(rules, rows);
        expect(ids).toEqual(expected);
        // The evaluation tree is computed in another way than the bitsets: it must come to the same result.
        expect(explained).toEqual(expected);
      }),
      { numRuns: 250 },
    );
  }, 120_000);

  it('give a row the same hits whatever batch it is in', () => {
    fc.assert(
      fc.property(ruleSets, fc.array(factSets, { minLength: 2, maxLength: 96 }), (rules, rows) => {
        const together = evaluate(rules, rows).ids;
        const alone = rows.map((facts) => evaluate(rules, [facts]).ids[0]);
        expect(alone).toEqual(together);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('leave words of rows beyond the batch as they were, and never set a bit beyond the last row of a word', () => {
    const rules = [
      {
        name: 'R-1',
        conditions: { not: { all: [{ fact: 'amountMinor', operator: 'lessThan', value: 0 }] } },
        event: { type: 'score', params: { version: 1, text: 'Seen', weight: 0.5 } },
      },
    ];
    const layout = layoutFor(collectColumnNeeds(rules, []), []);
    const compiled = compileRules(rules, layout);
    const frame = new Frame(layout, capacity);
    const hits = createRuleHits(1, capacity);
    hits.words[2] = 7;
    for (const rows of [1, 31, 32, 33]) {
      frame.rows = rows;
      compiled.evaluate(frame, hits);
      const bits = [...hits.words.subarray(0, (rows + 31) >> 5)].map((word) => word.toString(2)).join('');
      expect(bits).toBe('1'.repeat(rows));
    }
    expect(hits.words[2]).toBe(7);
  });

  it('a batch without rows is no error', () => {
    const { ids } = evaluate([], []);
    expect(ids).toEqual([]);
  });
});
