// Guarantee: networks folded into one say exactly their mean, calibrated; calibration finds the line that made the labels, and
// changes no ranking.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { foldEnsemble } from '../../../src/models/training/ensemble.ts';
import type { Parameter } from '../../../src/models/training/optimiser.ts';
import { calibrate, uncalibrated } from '../../../src/models/training/platt.ts';
import { uniform } from '../../../src/models/training/random.ts';

function network(width: number, hidden: readonly number[], random: () => number): Parameter[] {
  return [...hidden, 1].flatMap((units, at, all) => {
    const inputs = all[at - 1] ?? width;
    const some = (count: number) => Float32Array.from({ length: count }, () => random() * 2 - 1);
    return [
      { name: `dense${at + 1}/kernel`, shape: [inputs, units], values: some(inputs * units), decays: true },
      { name: `dense${at + 1}/bias`, shape: [units], values: some(units), decays: false },
    ];
  });
}

function logit(parameters: readonly Parameter[], row: readonly number[]): number {
  let active = [...row];
  for (let at = 0; at < parameters.length; at += 2) {
    const [kernel, bias] = [parameters[at] as Parameter, parameters[at + 1] as Parameter];
    const [inputs = 0, units = 0] = kernel.shape;
    expect(active).toHaveLength(inputs);
    active = Array.from({ length: units }, (_, unit) => {
      const sum = active.reduce((total, x, i) => total + x * (kernel.values[i * units + unit] ?? 0), 0);
      const value = sum + (bias.values[unit] ?? 0);
      return at + 2 < parameters.length ? Math.max(0, value) : value;
    });
  }
  return active[0] ?? Number.NaN;
}

test('the folded network gives slope × mean of the members’ logits + offset, for any depth', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
      fc.double({ min: 0.2, max: 3, noNaN: true }),
      fc.double({ min: -3, max: 3, noNaN: true }),
      (seed, count, hidden, slope, offset) => {
        const random = uniform(seed);
        const members = Array.from({ length: count }, () => network(3, hidden, random));
        const folded = foldEnsemble(members, { slope, offset });
        const row = [random(), random() - 1, random() * 2];
        const mean = members.reduce((sum, member) => sum + logit(member, row), 0) / count;
        expect(logit(folded, row)).toBeCloseTo(slope * mean + offset, 3);
      },
    ),
  );
});

test('calibration finds the line: logits that are twice too sure and shifted come back', () => {
  const random = uniform(11);
  const truth = Array.from({ length: 20_000 }, () => random() * 6 - 5);
  const frauds = truth.map((z) => (random() < 1 / (1 + Math.exp(-z)) ? 1 : 0));
  const { slope, offset } = calibrate(
    truth.map((z) => 2 * z + 1),
    frauds,
  );
  expect(slope).toBeCloseTo(0.5, 1);
  expect(offset).toBeCloseTo(-0.5, 1);
});

test('one class, or scores that say the opposite: nothing is changed', () => {
  expect(calibrate([1, 2, 3], [0, 0, 0])).toBe(uncalibrated);
  expect(calibrate([1, 2, 3], [1, 1, 1])).toBe(uncalibrated);
  expect(calibrate([3, 2, 1, 0, -1], [0, 0, 0, 1, 1])).toBe(uncalibrated);
});

test('perfectly separated scores end at finite numbers', () => {
  const { slope, offset } = calibrate([-4, -3, -2, 2, 3, 4], [0, 0, 0, 1, 1, 1]);
  expect(Number.isFinite(slope) && Number.isFinite(offset) && slope > 0).toBe(true);
});
