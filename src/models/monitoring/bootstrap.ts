/**
 * Intervals by the bootstrap: the percentile interval of B resamples (Efron and Tibshirani, An Introduction to the Bootstrap,
 * 1993, chapter 13). What is resampled with replacement are clusters, here all payments of a customer: frauds come in runs of
 * one customer, and rows resampled alone would make the interval too narrow (Davison and Hinkley, Bootstrap Methods and their
 * Application, 1997, section 3.8; Field and Welsh, Bootstrapping clustered data, 2007).
 */
import { uniform } from '../training/random.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Resamples; the ends of a 95 % interval move by about a twentieth of its width between seeds. */
export const bootstrapReplicates = 400;
/** Of the resamples, those in which a measure must be defined for it to have an interval. */
const usableShareMin = 0.5;
const tail = 0.025;

/** How often each cluster was drawn, in as many draws as there are clusters. */
export function resample(weights: Float64Array, random: () => number): void {
  weights.fill(0);
  const clusters = weights.length;
  for (let draw = 0; draw < clusters; draw++) (weights[Math.floor(random() * clusters)] as number)++;
}

/** The generator of one comparison. */
export const bootstrapRandom = (seed: number): (() => number) => uniform(seed);

/**
 * The 95 % percentile interval of a measure's resamples (NaN where it was not defined in one); undefined where that was so in
 * most of them. Quantiles by linear interpolation between order statistics (Hyndman and Fan 1996, type 7).
 */
export function percentileInterval(resampled: readonly number[]): Interval | undefined {
  const usable = resampled.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (usable.length === 0 || usable.length < resampled.length * usableShareMin) return undefined;
  return { low: quantile(usable, tail), high: quantile(usable, 1 - tail) };
}

/** Type 7 of Hyndman and Fan over ascending numbers; NaN of none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const position = (sorted.length - 1) * share;
  const below = Math.floor(position);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN;
  return low + (high - low) * (position - below);
}
