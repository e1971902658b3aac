/** Whether probabilities come true, and whether alerts do. */
import type { Interval } from './bootstrap.ts';

export interface CalibrationBin {
  readonly rows: number;
  /** Mean probability. */
  readonly expected: number;
  /** Share of frauds. */
  readonly observed: number;
}

export interface Calibration {
  readonly rows: number;
  /** Sum of the probabilities: how many frauds there should have been. */
  readonly expectedFrauds: number;
  readonly observedFrauds: number;
  /** Σ nᵢ/n · |observedᵢ − expectedᵢ| over bins of equal size (Naeini, Cooper and Hauskrecht 2015); null of no rows. */
  readonly error: number | null;
  /**
   * Spiegelhalter's z: Σ (y − p)(1 − 2p) / √Σ (1 − 2p)² p(1 − p) (Probabilistic prediction in patient management, 1986).
   * Standard normal where the probabilities are right, so beyond ± 2 they seldom are; null where it is not defined.
   */
  readonly z: number | null;
  readonly bins: readonly CalibrationBin[];
}

const calibrationBins = 10;

function binned(order: Int32Array, probabilities: ArrayLike<number>, frauds: ArrayLike<number>): CalibrationBin[] {
  const bins: CalibrationBin[] = [];
  for (let bin = 0; bin < calibrationBins; bin++) {
    const from = Math.floor((order.length * bin) / calibrationBins);
    const to = Math.floor((order.length * (bin + 1)) / calibrationBins);
    if (to === from) continue;
    let expected = 0;
    let observed = 0;
    for (let i = from; i < to; i++) {
      expected += probabilities[order[i] as number] as number;
      observed += frauds[order[i] as number] as number;
    }
    bins.push({ rows: to - from, expected: expected / (to - from), observed: observed / (to - from) });
  }
  return bins;
}

/** @param frauds 1 is fraud, 0 legitimate */
export function calibrationOf(probabilities: ArrayLike<number>, frauds: ArrayLike<number>): Calibration {
  const rows = probabilities.length;
  const order = Int32Array.from({ length: rows }, (_, i) => i).sort(
    (a, b) => (probabilities[a] as number) - (probabilities[b] as number) || a - b,
  );
  const bins = binned(order, probabilities, frauds);
  let expectedFrauds = 0;
  let observedFrauds = 0;
  let excess = 0;
  let variance = 0;
  for (let row = 0; row < rows; row++) {
    const p = probabilities[row] as number;
    const y = frauds[row] as number;
    expectedFrauds += p;
    observedFrauds += y;
    excess += (y - p) * (1 - 2 * p);
    variance += (1 - 2 * p) ** 2 * p * (1 - p);
  }
  const error = bins.reduce((sum, bin) => sum + (bin.rows / rows) * Math.abs(bin.observed - bin.expected), 0);
  return {
    rows,
    expectedFrauds,
    observedFrauds,
    error: rows === 0 ? null : error,
    z: variance > 0 ? excess / Math.sqrt(variance) : null,
    bins,
  };
}

const z95 = 1.959963984540054;

export interface Share {
  readonly value: number | null;
  readonly of: number;
  readonly interval: Interval | null;
}

/** A share with its 95 % interval by Wilson (Probable inference, the law of succession, and statistical inference, 1927). */
export function shareOf(hits: number, of: number): Share {
  if (of === 0) return { value: null, of, interval: null };
  const value = hits / of;
  const spread = z95 ** 2 / of;
  const middle = (value + spread / 2) / (1 + spread);
  const half = (z95 * Math.sqrt((value * (1 - value)) / of + spread / (4 * of))) / (1 + spread);
  return { value, of, interval: { low: Math.max(0, middle - half), high: Math.min(1, middle + half) } };
}
