/**
 * Why a row scored as it did: occlusion. Each input in turn is set to its training mean and the row is run again; the
 * contribution is the logit of the row minus the logit without that input's deviation. Chosen over gradient × distance
 * because a rectifier's gradient at the row says nothing about the way from the mean to it (a saturated unit has none), and
 * because its claim is one that an analyst can check: "with an ordinary value here the logit would be this much lower". It
 * is also the cheaper: n + 1 rows through the kernel that is there anyway. Inputs that say the same thing (counts of
 * overlapping windows) share the credit: each alone contributes little while the others still tell.
 */
import type { CardInput, Contribution } from './types.ts';

/** Largest magnitude first, ties in input order; inputs that change nothing are left out. */
export function rankContributions(
  inputs: readonly CardInput[],
  logit: number,
  occluded: ArrayLike<number>,
  top: number,
): readonly Contribution[] {
  return inputs
    .map((input, i) => ({ fact: input.fact, contribution: logit - (occluded[i] ?? logit) }))
    .filter(({ contribution }) => contribution !== 0 && Number.isFinite(contribution))
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
    .slice(0, Math.max(0, top));
}
