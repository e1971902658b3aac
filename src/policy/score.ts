import type { RuleMeta } from '../rules/types.ts';

const scoreSteps = 1e6;

/** Six decimals: what is recorded, shown and compared with thresholds is one and the same number. */
export function roundScore(score: number): number {
  return Math.round(score * scoreSteps) / scoreSteps;
}

/**
 * Noisy-or: 1 − (1 − m·p) · ∏ (1 − wᵢ). Each signal is read as an independent cause of fraud that is real with
 * probability wᵢ (list or rule) or m·p (model); the score is the probability that at least one is. So it stays in
 * [0, 1], grows with every signal, never falls because another one fired, and a missing model (`probability` NaN)
 * counts as no signal. (Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3.2.) Multiplied in the
 * order model, lists, rules, so the same input gives the same bits. Rules that allow add nothing.
 */
export function combineScore(
  probability: number,
  modelWeight: number,
  lists: readonly { readonly weight: number }[],
  hits: readonly RuleMeta[],
): number {
  let innocent = Number.isNaN(probability) ? 1 : 1 - modelWeight * probability;
  for (const { weight } of lists) innocent *= 1 - weight;
  for (const { weight, outcome } of hits) if (outcome !== 'allow') innocent *= 1 - weight;
  return roundScore(Math.min(1, Math.max(0, 1 - innocent)));
}
