/**
 * exp, log and the logistic function out of + − × ÷ and bit moves on float64 alone. Math.exp and Math.log are only
 * "implementation-approximated" in ECMAScript: they may differ between engines and versions, and a recorded decision must
 * replay bit for bit for years. The kernel (kernel/functions.ts) does the same operations in the same order.
 * Polynomials and reductions: fdlibm e_exp.c and e_log.c (Sun Microsystems, 1993), error below 1 unit in the last place.
 */
import { factMagnitudeMax } from './bounds.ts';
import type { InputTransform } from './types.ts';

export const expConstants = {
  /** Beyond these exp() is 0 or infinite for every purpose of a probability; clamped so that 2^k stays a normal number. */
  min: -708,
  max: 709,
  inverseLn2: 1.4426950408889634,
  ln2High: 6.93147180369123816e-1,
  ln2Low: 1.9082149292705877e-10,
  /** 1.5 × 2^52: adding it rounds to an integer (ties to even) and leaves that integer in the low bits. */
  rounder: 6755399441055744,
  p: [
    1.66666666666666019037e-1, -2.77777777770155933842e-3, 6.61375632143793436117e-5, -1.6533902205465251539e-6,
    4.13813679705723846039e-8,
  ],
} as const;

export const logConstants = {
  /** The high word of sqrt(1/2), and its distance to that of 1: reduces the mantissa to [sqrt(1/2), sqrt(2)). */
  rootHigh: 0x3fe6a09e,
  shiftHigh: 0x3ff00000 - 0x3fe6a09e,
  l: [
    6.66666666666673513e-1, 3.999999999940941908e-1, 2.857142874366239149e-1, 2.222219843214978396e-1,
    1.818357216161805012e-1, 1.531383769920937332e-1, 1.479819860511658591e-1,
  ],
} as const;

const float = new Float64Array(1);
/** Low word first: every platform Node runs on is little endian. */
const words = new Int32Array(float.buffer);

/** e^x, x clamped to [−708, 709]; NaN for NaN. */
export function exp(x: number): number {
  const { min, max, inverseLn2, ln2High, ln2Low, rounder, p } = expConstants;
  const clamped = x < min ? min : x > max ? max : x;
  const shifted = clamped * inverseLn2 + rounder;
  const k = shifted - rounder;
  const high = clamped - k * ln2High;
  const low = k * ln2Low;
  const r = high - low;
  const t = r * r;
  const c = r - t * (p[0] + t * (p[1] + t * (p[2] + t * (p[3] + t * p[4]))));
  const y = 1 - (low - (r * c) / (2 - c) - high);
  float[0] = shifted;
  const exponent = (words[0] ?? 0) + 1023;
  words[0] = 0;
  words[1] = exponent << 20;
  return y * float[0];
}

/** Natural logarithm of a normal number x > 0; not meant for zero, negative or denormal x. */
export function log(x: number): number {
  const { rootHigh, shiftHigh, l } = logConstants;
  float[0] = x;
  const high = (words[1] ?? 0) + shiftHigh;
  const k = (high >>> 20) - 1023;
  words[1] = (high & 0xfffff) + rootHigh;
  const f = float[0] - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const t1 = w * (l[1] + w * (l[3] + w * l[5]));
  const t2 = z * (l[0] + w * (l[2] + w * (l[4] + w * l[6])));
  const half = 0.5 * f * f;
  return k * expConstants.ln2High - (half - (s * (half + (t2 + t1)) + k * expConstants.ln2Low) - f);
}

/** 1 / (1 + e^−x). */
export function sigmoid(x: number): number {
  return 1 / (1 + exp(-x));
}

/** sign(x) · log(1 + |x|): keeps the sign, squeezes amounts and counts of any size into a few tens. */
export function signedLog1p(x: number): number {
  const magnitude = log(1 + (x < 0 ? -x : x));
  return x < 0 ? -magnitude : magnitude;
}

/** A fact as the model's graph gets it: missing value filled, clamped, transformed, rounded to float32. */
export function prepareFact(fact: number, transform: InputTransform, missing: number): number {
  const known = Number.isNaN(fact) ? missing : fact;
  const clamped = known > factMagnitudeMax ? factMagnitudeMax : known < -factMagnitudeMax ? -factMagnitudeMax : known;
  return Math.fround(transform === 'none' ? clamped : signedLog1p(clamped));
}
