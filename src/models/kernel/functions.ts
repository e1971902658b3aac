/** exp, log and the logistic function on two float64 lanes: arithmetic.ts, operation by operation. */
import { expConstants, logConstants } from '../arithmetic.ts';
import { FunctionBody } from './encoder.ts';

/** Emits a + b·(c + b·(…)) over a local: Horner's scheme, innermost coefficient last in `coefficients`. */
function horner(f: FunctionBody, variable: number, coefficients: readonly number[]): void {
  const last = coefficients.length - 1;
  f.f64x2(coefficients[last] ?? 0);
  for (let i = last - 1; i >= 0; i--) {
    f.get(variable)
      .op('f64x2Mul')
      .f64x2(coefficients[i] ?? 0)
      .op('f64x2Add');
  }
}

/** (x: v128) → e^x. */
export function expFunction(): FunctionBody {
  const { min, max, inverseLn2, ln2High, ln2Low, rounder, p } = expConstants;
  const f = new FunctionBody(['v128'], ['v128']);
  const [x, shifted, k, high, low, r, t, c] = [0, ...Array.from({ length: 7 }, () => f.local('v128'))] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  f.get(x).f64x2(min).op('f64x2Pmax').f64x2(max).op('f64x2Pmin').set(x);
  f.get(x).f64x2(inverseLn2).op('f64x2Mul').f64x2(rounder).op('f64x2Add').tee(shifted);
  f.f64x2(rounder).op('f64x2Sub').set(k);
  f.get(x).get(k).f64x2(ln2High).op('f64x2Mul', 'f64x2Sub').set(high);
  f.get(k).f64x2(ln2Low).op('f64x2Mul').set(low);
  f.get(high).get(low).op('f64x2Sub').tee(r);
  f.get(r).op('f64x2Mul').set(t);
  f.get(r).get(t);
  horner(f, t, p);
  f.op('f64x2Mul', 'f64x2Sub').set(c);
  // 1 − ((low − r·c / (2 − c)) − high)
  f.f64x2(1).get(low).get(r).get(c).op('f64x2Mul').f64x2(2).get(c).op('f64x2Sub', 'f64x2Div', 'f64x2Sub');
  f.get(high).op('f64x2Sub', 'f64x2Sub');
  // The integer k sits in the low bits of `shifted`: add the bias, move it to the exponent, and it is 2^k.
  f.get(shifted).i64x2(1023n).op('i64x2Add').i32(52).op('i64x2Shl', 'f64x2Mul');
  return f;
}

/** (x: v128) → log x, for normal x > 0. */
export function logFunction(): FunctionBody {
  const { rootHigh, shiftHigh, l } = logConstants;
  /** A biased exponent or'ed into 2^52 is the number 2^52 + exponent. */
  const exponentFloat = 0x4330000000000000n;
  const f = new FunctionBody(['v128'], ['v128']);
  const [x, k, m, s, z, w, half] = [0, ...Array.from({ length: 6 }, () => f.local('v128'))] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  f.get(x)
    .i64x2(BigInt(shiftHigh) << 32n)
    .op('i64x2Add')
    .tee(x);
  f.i32(52)
    .op('i64x2ShrU')
    .i64x2(exponentFloat)
    .op('v128Or')
    .f64x2(2 ** 52 + 1023)
    .op('f64x2Sub')
    .set(k);
  f.get(x)
    .i64x2(0xfffffffffffffn)
    .op('v128And')
    .i64x2(BigInt(rootHigh) << 32n)
    .op('i64x2Add');
  f.f64x2(1).op('f64x2Sub').tee(m);
  f.f64x2(2).get(m).op('f64x2Add', 'f64x2Div').tee(s);
  f.get(s).op('f64x2Mul').tee(z);
  f.get(z).op('f64x2Mul').set(w);
  f.f64x2(0.5).get(m).op('f64x2Mul').get(m).op('f64x2Mul').set(half);
  f.get(k).f64x2(expConstants.ln2High).op('f64x2Mul').get(half).get(s).get(half);
  f.get(z);
  horner(f, w, [l[0], l[2], l[4], l[6]]);
  f.op('f64x2Mul').get(w);
  horner(f, w, [l[1], l[3], l[5]]);
  f.op('f64x2Mul', 'f64x2Add', 'f64x2Add', 'f64x2Mul');
  f.get(k).f64x2(expConstants.ln2Low).op('f64x2Mul', 'f64x2Add', 'f64x2Sub').get(m).op('f64x2Sub', 'f64x2Sub');
  return f;
}

/** (x: v128) → 1 / (1 + e^−x). */
export function sigmoidFunction(expIndex: number): FunctionBody {
  const f = new FunctionBody(['v128'], ['v128']);
  f.f64x2(1).f64x2(1).get(0).op('f64x2Neg').call(expIndex).op('f64x2Add', 'f64x2Div');
  return f;
}

/**
 * (x: four float32) → the activation of each, computed in float64 and rounded once.
 * tanh x = 2 / (1 + e^−2x) − 1.
 */
export function activationFunction(kind: 'sigmoid' | 'tanh', sigmoidIndex: number): FunctionBody {
  const f = new FunctionBody(['v128'], ['v128']);
  const half = () => {
    f.op('f64x2PromoteLowF32x4');
    if (kind === 'tanh') f.f64x2(2).op('f64x2Mul');
    f.call(sigmoidIndex);
    if (kind === 'tanh') f.f64x2(2).op('f64x2Mul').f64x2(1).op('f64x2Sub');
    f.op('f32x4DemoteF64x2Zero');
  };
  const firstHalf = [0, 1, 2, 3, 4, 5, 6, 7];
  const secondHalf = firstHalf.map((byte) => byte + 8);
  f.get(0);
  half();
  f.get(0)
    .get(0)
    .shuffle([...secondHalf, ...secondHalf]);
  half();
  f.shuffle([...firstHalf, ...firstHalf.map((byte) => byte + 16)]);
  return f;
}
