// Guarantee: exp, log and the logistic function are right to the last places, and exactly the same in JavaScript and in the
// kernel's WebAssembly, on every input: recorded decisions replay bit for bit whichever of the two computes them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exp, log, prepareFact, sigmoid, signedLog1p } from '../../../src/models/arithmetic.ts';
import { encodeModule, FunctionBody } from '../../../src/models/kernel/encoder.ts';
import { expFunction, logFunction, sigmoidFunction } from '../../../src/models/kernel/functions.ts';

/** A module that applies function `index` to the two float64 at address 0. */
function vectorised(index: number): (x: number, y: number) => readonly [number, number] {
  const run = new FunctionBody([]);
  run.i32(0).i32(0).access('v128Load', 0).call(index).access('v128Store', 0);
  const bytes = encodeModule([expFunction(), logFunction(), sigmoidFunction(0), run], { run: 3 }, 1);
  const { memory, run: apply } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  if (!(memory instanceof WebAssembly.Memory) || typeof apply !== 'function') throw new Error('no such export');
  const cells = new Float64Array(memory.buffer, 0, 2);
  return (x, y) => {
    cells.set([x, y]);
    apply();
    return [cells[0] ?? 0, cells[1] ?? 0];
  };
}

const anyDouble = fc.double({ noNaN: true, min: -1e6, max: 1e6 });
const positive = fc.double({ noNaN: true, min: 1e-300, max: 1e300 });
const relative = (a: number, b: number) => (a === b ? 0 : Math.abs(a - b) / Math.abs(b));

test('exp is within 2e-16 relative of Math.exp', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, min: -700, max: 700 }), (x) => {
      expect(relative(exp(x), Math.exp(x))).toBeLessThan(3e-16);
    }),
    { numRuns: 5000 },
  );
});

test('exp at its ends: clamped, never infinite, never zero, NaN for NaN', () => {
  expect(exp(0)).toBe(1);
  expect(relative(exp(1), Math.E)).toBeLessThan(3e-16);
  expect(exp(1e9)).toBe(exp(709));
  expect(exp(-1e9)).toBe(exp(-708));
  expect(exp(-1e9)).toBeGreaterThan(0);
  expect(Number.isFinite(exp(1e9))).toBe(true);
  expect(exp(Number.NaN)).toBeNaN();
});

test('log is within 3e-16 relative of Math.log', () => {
  fc.assert(
    fc.property(positive, (x) => {
      expect(relative(log(x), Math.log(x))).toBeLessThan(3e-16);
    }),
    { numRuns: 5000 },
  );
  expect(log(1)).toBe(0);
});

test('the WebAssembly functions give the same bits as the JavaScript ones', () => {
  const [wasmExp, wasmLog, wasmSigmoid] = [vectorised(0), vectorised(1), vectorised(2)];
  fc.assert(
    fc.property(anyDouble, anyDouble, positive, positive, (a, b, c, d) => {
      expect(wasmExp(a / 1e3, b)).toEqual([exp(a / 1e3), exp(b)]);
      expect(wasmSigmoid(a / 1e4, b)).toEqual([sigmoid(a / 1e4), sigmoid(b)]);
      expect(wasmLog(c, d)).toEqual([log(c), log(d)]);
    }),
    { numRuns: 3000 },
  );
});

test('pinned bits: a change of engine or of this code that moves one of them breaks old replays', () => {
  expect([sigmoid(-3.3), sigmoid(0.1), sigmoid(12), signedLog1p(12345), signedLog1p(-0.5)]).toEqual([
    0.03557118927263618, 0.52497918747894, 0.9999938558253978, 9.421087402953841, -0.4054651081081644,
  ]);
});

test('a fact is filled where missing, clamped where absurd, transformed, and rounded to float32', () => {
  expect(prepareFact(Number.NaN, 'none', -1)).toBe(-1);
  expect(prepareFact(Number.POSITIVE_INFINITY, 'none', 0)).toBe(Math.fround(1e18));
  expect(prepareFact(Number.NEGATIVE_INFINITY, 'signedLog1p', 0)).toBeCloseTo(-41.4465, 3);
  expect(prepareFact(9e15, 'signedLog1p', 0)).toBe(Math.fround(Math.log(9e15)));
  expect(prepareFact(0.1, 'none', 0)).toBe(Math.fround(0.1));
});
