import type { DerivedDefinition } from './definitions.ts';
import type { ExpandedFeature } from './expand.ts';

/** Operand: index of a feature, or −1 for the payment's amount. */
export interface DerivedFeature {
  readonly op: DerivedDefinition['op'];
  readonly feature: number;
  readonly operands: readonly number[];
  /** The result where the divisor is 0; NaN (missing) unless the definition says otherwise. */
  readonly whenZero: number;
  /** For `rate`: short window ÷ long window. */
  readonly share: number;
}

/** A bound this large means: nothing is known about the value. Finite, so that JSON can carry it. */
export const unboundedBound = Number.MAX_VALUE;

export function compileDerived(
  definition: DerivedDefinition,
  feature: number,
  features: readonly ExpandedFeature[],
): DerivedFeature {
  const operands = definition.of.map((name) => features.findIndex((f) => f.name === name));
  const [short, long] = operands.map((index) => features[index]?.windowMs ?? 0);
  return {
    op: definition.op,
    feature,
    operands,
    // No spread and no difference is nothing unusual: 0. A ratio to nothing is missing.
    whenZero: definition.whenZero ?? (definition.op === 'zScore' ? 0 : Number.NaN),
    share: definition.op === 'rate' ? (short ?? 0) / (long ?? 1) : 1,
  };
}

function quotient(op: DerivedFeature, a: number, b: number, c: number): number {
  if (op.op === 'zScore') return c === 0 ? op.whenZero : (a - b) / c;
  const divisor = op.op === 'rate' ? b * op.share : b;
  return divisor === 0 ? op.whenZero : a / divisor;
}

/**
 * Writes a derived feature and its bound. A missing operand makes it missing. The bound is the largest distance to
 * any value that operands within their own bounds can give: all are monotone in each operand where the divisor keeps
 * its sign, so the corners decide.
 */
export function writeDerived(
  op: DerivedFeature,
  amountMinor: number,
  values: Float64Array,
  bounds: Float64Array,
  at: number,
): void {
  const value = (i: number): number => (i < 0 ? amountMinor : (values[at + i] as number));
  const bound = (i: number): number => (i < 0 ? 0 : (bounds[at + i] as number));
  const [i = -1, j = -1, k = -1] = op.operands;
  const a = value(i);
  const b = value(j);
  const c = value(k);
  const result = quotient(op, a, b, c);
  values[at + op.feature] = result;
  const aBound = bound(i);
  const bBound = bound(j);
  const cBound = op.op === 'zScore' ? bound(k) : 0;
  bounds[at + op.feature] =
    aBound === 0 && bBound === 0 && cBound === 0 ? 0 : cornerBound(op, result, [a, b, c], [aBound, bBound, cBound]);
}

function cornerBound(
  op: DerivedFeature,
  result: number,
  values: readonly [number, number, number],
  bounds: readonly [number, number, number],
): number {
  const [divisor, divisorBound] = op.op === 'zScore' ? [values[2], bounds[2]] : [values[1], bounds[1]];
  // Divisors are means, counts and deviations: never negative. A divisor that may be 0 bounds nothing.
  if (Number.isNaN(result) || divisor - divisorBound <= 0) return unboundedBound;
  let worst = 0;
  for (let corner = 0; corner < 8; corner++) {
    const at = (n: 0 | 1 | 2): number => values[n] + ((corner >> n) & 1 ? bounds[n] : -bounds[n]);
    worst = Math.max(worst, Math.abs(quotient(op, at(0), at(1), at(2)) - result));
  }
  return Number.isFinite(worst) ? worst : unboundedBound;
}
