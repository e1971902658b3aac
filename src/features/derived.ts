import type { DerivedDefinition } from './definitions.ts';
import type { ExpandedFeature } from './expand.ts';

/** Operand: index of a feature, or of a derived one before this, or −1 for the payment's amount. */
export interface DerivedFeature {
  readonly op: DerivedDefinition['op'];
  readonly feature: number;
  readonly operands: readonly number[];
  /** The result where the divisor is 0; NaN (missing) unless the definition says otherwise. */
  readonly whenZero: number;
  /** For `rate`: short window ÷ long window. */
  readonly share: number;
  /** For `smoothedRate`: what is added to the frauds, and to the count. */
  readonly priorFrauds: number;
  readonly weight: number;
}

/** A bound this large means: nothing is known about the value. Finite, so that JSON can carry it. */
export const unboundedBound = Number.MAX_VALUE;

/** @param names of all features in output order, derived ones last */
export function compileDerived(
  definition: DerivedDefinition,
  feature: number,
  features: readonly ExpandedFeature[],
  names: readonly string[],
): DerivedFeature {
  const operands = definition.of.map((name) => names.indexOf(name));
  const { prior = 0, weight = 0 } = definition;
  const [short, long] = operands.map((index) => features[index]?.windowMs ?? 0);
  return {
    op: definition.op,
    feature,
    operands,
    // No spread and no difference is nothing unusual: 0. A ratio to nothing is missing.
    whenZero: definition.whenZero ?? (definition.op === 'zScore' ? 0 : Number.NaN),
    share: definition.op === 'rate' ? (short ?? 0) / (long ?? 1) : 1,
    priorFrauds: weight * prior,
    weight,
  };
}

function resultOf(op: DerivedFeature, a: number, b: number, c: number): number {
  switch (op.op) {
    case 'zScore':
      return c === 0 ? op.whenZero : (a - b) / c;
    case 'difference':
      return a - b;
    case 'smoothedRate':
      return (a + op.priorFrauds) / (b + op.weight);
    case 'logRatio':
      // What is not positive has no logarithm.
      return a === 0 || b === 0 ? op.whenZero : a < 0 || b < 0 ? Number.NaN : Math.log(a / b);
    case 'rate':
      return b === 0 ? op.whenZero : a / (b * op.share);
    default:
      return b === 0 ? op.whenZero : a / b;
  }
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
  const result = resultOf(op, a, b, c);
  values[at + op.feature] = result;
  const aBound = bound(i);
  const bBound = bound(j);
  const cBound = op.op === 'zScore' ? bound(k) : 0;
  bounds[at + op.feature] =
    aBound === 0 && bBound === 0 && cBound === 0 ? 0 : cornerBound(op, result, [a, b, c], [aBound, bBound, cBound]);
}

/** Divisors are means, counts and deviations: hardly ever negative. One that may be 0 bounds nothing. */
function mayBeZero(value: number, bound: number): boolean {
  return value - bound <= 0;
}

function isQuotient({ op }: DerivedFeature): boolean {
  return op === 'ratio' || op === 'rate' || op === 'logRatio';
}

function cornerBound(
  op: DerivedFeature,
  result: number,
  values: readonly [number, number, number],
  bounds: readonly [number, number, number],
): number {
  if (Number.isNaN(result)) return unboundedBound;
  if (op.op === 'zScore' ? mayBeZero(values[2], bounds[2]) : isQuotient(op) && mayBeZero(values[1], bounds[1])) {
    return unboundedBound;
  }
  if (op.op === 'smoothedRate' && mayBeZero(values[1] + op.weight, bounds[1])) return unboundedBound;
  if (op.op === 'logRatio' && mayBeZero(values[0], bounds[0])) return unboundedBound;
  let worst = 0;
  for (let corner = 0; corner < 8; corner++) {
    const at = (n: 0 | 1 | 2): number => values[n] + ((corner >> n) & 1 ? bounds[n] : -bounds[n]);
    worst = Math.max(worst, Math.abs(resultOf(op, at(0), at(1), at(2)) - result));
  }
  return Number.isFinite(worst) ? worst : unboundedBound;
}
