import type { RuleHits } from './types.ts';

/** Hits of `rules` rules over frames of at most `rowsMax` rows. */
export function createRuleHits(rules: number, rowsMax: number): RuleHits {
  const wordsPerRule = (rowsMax + 31) >> 5;
  return { wordsPerRule, words: new Uint32Array(rules * wordsPerRule) };
}

/** Whether the rule fired on the row. */
export function isHit(hits: RuleHits, rule: number, row: number): boolean {
  return (((hits.words[rule * hits.wordsPerRule + (row >> 5)] ?? 0) >>> (row & 31)) & 1) === 1;
}
