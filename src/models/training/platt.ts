/**
 * Platt's calibration: p = σ(a · logit + b), fitted by maximum likelihood on validation rows (Platt 1999), by Newton's method
 * with halved steps and Platt's smoothed targets (Lin, Lin and Weng 2007). Keeps the order of the scores where a > 0.
 */
import { exp } from '../arithmetic.ts';

export interface Calibration {
  readonly slope: number;
  readonly offset: number;
}

export const uncalibrated: Calibration = { slope: 1, offset: 0 };

const iterationsMax = 100;
const halvingsMax = 30;
const ridge = 1e-10;
const gradientSmallEnough = 1e-7;

/** log(1 + e^x) without overflow. */
const softplus = (x: number): number => (x > 0 ? x + Math.log1p(exp(-x)) : Math.log1p(exp(x)));

function meanLoss(logits: ArrayLike<number>, targets: Float64Array, { slope, offset }: Calibration): number {
  let sum = 0;
  for (let i = 0; i < targets.length; i++) {
    const z = slope * (logits[i] as number) + offset;
    sum += softplus(z) - (targets[i] as number) * z;
  }
  return sum / targets.length;
}

interface Derivatives {
  readonly gradient: readonly [number, number];
  readonly hessian: readonly [number, number, number];
}

function derivatives(logits: ArrayLike<number>, targets: Float64Array, { slope, offset }: Calibration): Derivatives {
  let [g0, g1, h00, h01, h11] = [0, 0, ridge, 0, ridge];
  const rows = targets.length;
  for (let i = 0; i < rows; i++) {
    const logit = logits[i] as number;
    const p = 1 / (1 + exp(-(slope * logit + offset)));
    const error = (p - (targets[i] as number)) / rows;
    const weight = (p * (1 - p)) / rows;
    g0 += error * logit;
    g1 += error;
    h00 += weight * logit * logit;
    h01 += weight * logit;
    h11 += weight;
  }
  return { gradient: [g0, g1], hessian: [h00, h01, h11] };
}

/**
 * @param frauds 1 is fraud
 * @returns no change where there is only one class, or where the scores say the opposite of the labels (a ≤ 0 would turn
 * the ranking around: that is a fault to see, not one to hide)
 */
export function calibrate(logits: ArrayLike<number>, frauds: ArrayLike<number>): Calibration {
  const rows = logits.length;
  const positives = Array.from(frauds).filter((fraud) => fraud === 1).length;
  if (positives === 0 || positives === rows) return uncalibrated;
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (rows - positives + 2);
  const targets = Float64Array.from({ length: rows }, (_, i) => (frauds[i] === 1 ? high : low));
  let at = uncalibrated;
  let loss = meanLoss(logits, targets, at);
  for (let iteration = 0; iteration < iterationsMax; iteration++) {
    const { gradient, hessian } = derivatives(logits, targets, at);
    if (Math.max(Math.abs(gradient[0]), Math.abs(gradient[1])) < gradientSmallEnough) break;
    const determinant = hessian[0] * hessian[2] - hessian[1] ** 2;
    const slopeStep = (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
    const offsetStep = (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
    let better = false;
    for (let halving = 0, part = 1; halving < halvingsMax && !better; halving++, part /= 2) {
      const next = { slope: at.slope - part * slopeStep, offset: at.offset - part * offsetStep };
      const nextLoss = meanLoss(logits, targets, next);
      better = nextLoss < loss;
      if (better) [at, loss] = [next, nextLoss];
    }
    if (!better) break;
  }
  return at.slope > 0 ? at : uncalibrated;
}
