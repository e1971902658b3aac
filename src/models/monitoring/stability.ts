/**
 * How far a population has moved from the reference.
 *
 * Population stability index: PSI = Σ (aᵢ − eᵢ) · ln(aᵢ / eᵢ) over bins, a the shares of today, e those of the reference
 * (Lewis, An Introduction to Credit Scoring, 1994; Siddiqi, Credit Risk Scorecards, 2006). It is the symmetric divergence of
 * Kullback and Leibler (On Information and Sufficiency, 1951). Every term is ≥ 0, whatever the shares.
 *
 * A bin that is empty on both sides adds nothing. One that is empty on one side has half a row there: the index stays
 * finite, and the less was seen, the less an empty bin says.
 */

/** The usual reading (Siddiqi 2006): below the first nothing moved, above the second the model's ground has shifted. */
const psiModerate = 0.1;
const psiShifted = 0.25;

const halfARow = 0.5;

const total = (counts: readonly number[]): number => counts.reduce((sum, one) => sum + one, 0);

/** PSI of two counts over the same bins; undefined where one side has no row. */
export function populationStability(expected: readonly number[], actual: readonly number[]): number | undefined {
  if (expected.length !== actual.length) throw new Error('counts over different bins');
  const expectedRows = total(expected);
  const actualRows = total(actual);
  if (expectedRows === 0 || actualRows === 0) return undefined;
  let sum = 0;
  for (let bin = 0; bin < expected.length; bin++) {
    const e = expected[bin] as number;
    const a = actual[bin] as number;
    if (e === 0 && a === 0) continue;
    const expectedShare = (e === 0 ? halfARow : e) / expectedRows;
    const actualShare = (a === 0 ? halfARow : a) / actualRows;
    sum += (actualShare - expectedShare) * Math.log(actualShare / expectedShare);
  }
  return sum;
}

/**
 * What PSI comes to be by chance alone, on average, where nothing moved: (B − 1) · (1/n + 1/m) with B bins in use and n and m
 * rows (Yurdakul and Naranjo, Statistical properties of the population stability index, 2020). An index near it says nothing.
 */
export function stabilityByChance(expected: readonly number[], actual: readonly number[]): number | undefined {
  const expectedRows = total(expected);
  const actualRows = total(actual);
  if (expectedRows === 0 || actualRows === 0) return undefined;
  const used = expected.filter((one, bin) => one > 0 || (actual[bin] ?? 0) > 0).length;
  return (used - 1) * (1 / expectedRows + 1 / actualRows);
}

export type Drift = 'stable' | 'moderate' | 'shifted' | 'unknown';

/** The index read against the usual bounds, moved up by what chance alone would give. */
export function driftOf(index: number | undefined, byChance: number | undefined): Drift {
  if (index === undefined || byChance === undefined) return 'unknown';
  if (index >= psiShifted + byChance) return 'shifted';
  return index >= psiModerate + byChance ? 'moderate' : 'stable';
}
