// Guarantee: the kernel passes over zero blocks of a layer, so that a folded ensemble costs its members; what it passes over
// is zero, every weight is inside a segment, and no bit of the answer depends on what was passed over.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomEnsemble } from '../../../bench/fixtures/randomEnsemble.ts';
import { prepareFact, sigmoid } from '../../../src/models/arithmetic.ts';
import type { DenseLayer } from '../../../src/models/affine.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { planSegments } from '../../../src/models/kernel/segments.ts';
import { networkOf } from '../../integration/models/reference.ts';
import { factNames, frameOf, layoutOf } from './frames.ts';

const cost = (layer: DenseLayer) => planSegments(layer).reduce((sum, { inputs, units }) => sum + inputs * units, 0);

test('five members of 64-32 cost five blocks, not one dense layer', () => {
  const layout = layoutOf(factNames(40));
  const [first, second, last] = networkOf(randomEnsemble(layout.numeric, 1, 5)).layers;
  expect(cost(first as DenseLayer)).toBe(40 * 320);
  expect(cost(second as DenseLayer)).toBe(5 * 64 * 32);
  expect(planSegments(second as DenseLayer)).toHaveLength(5);
  expect(planSegments(last as DenseLayer)).toHaveLength(1);
});

const sparse = fc
  .record({ inputs: fc.integer({ min: 1, max: 90 }), units: fc.integer({ min: 1, max: 150 }) })
  .chain(({ inputs, units }) =>
    fc.record({
      inputs: fc.constant(inputs),
      units: fc.constant(units),
      blocks: fc.array(
        fc.record({ input: fc.nat(inputs - 1), unit: fc.nat(units - 1), height: fc.nat(40), width: fc.nat(40) }),
        { maxLength: 40 },
      ),
    }),
  );

test('every unit is in one segment, in order, and no weight lies outside of them', () => {
  fc.assert(
    fc.property(sparse, ({ inputs, units, blocks }) => {
      const kernel = new Float64Array(inputs * units);
      for (const { input, unit, height, width } of blocks)
        for (let i = input; i < Math.min(inputs, input + height); i++)
          kernel.fill(1, i * units + unit, i * units + Math.min(units, unit + width));
      const layer: DenseLayer = { inputs, units, kernel, bias: new Float64Array(units), activation: 'linear' };
      const segments = planSegments(layer);
      let next = 0;
      let outside = 0;
      for (const segment of segments) {
        expect(segment.firstUnit).toBe(next);
        next += segment.units;
        for (let unit = segment.firstUnit; unit < Math.min(next, units); unit++)
          for (let input = 0; input < inputs; input++)
            if (input < segment.firstInput || input >= segment.firstInput + segment.inputs)
              outside += kernel[input * units + unit] ?? 0;
      }
      expect(outside).toBe(0);
      expect(next).toBe(Math.ceil(units / 4) * 4);
      expect(segments.length).toBeLessThanOrEqual(32);
    }),
  );
});

/** The whole sum, zeros and all, in float32, in the kernel's order. */
function inOrder(network: ReturnType<typeof networkOf>, facts: readonly number[]): number {
  const { fround } = Math;
  const { scaling } = network;
  let values = facts.map((fact, i) => {
    const x = prepareFact(fact, 'signedLog1p', 0);
    return scaling ? fround((x - (scaling.mean[i] ?? 0)) * (scaling.scale[i] ?? 0) + (scaling.shift[i] ?? 0)) : x;
  });
  for (const { units, kernel, bias, activation } of network.layers) {
    values = Array.from(bias, (start, unit) => {
      let sum = fround(start);
      values.forEach((value, i) => {
        sum = fround(sum + fround(value * fround(kernel[i * units + unit] ?? 0)));
      });
      return activation === 'relu' ? Math.max(0, sum) : sum;
    });
  }
  return sigmoid(values[0] ?? Number.NaN);
}

test('an ensemble scores as the plain sum in order does, bit for bit, alone and in a tile', async () => {
  const shape = fc.record({
    inputs: fc.integer({ min: 1, max: 30 }),
    members: fc.integer({ min: 2, max: 6 }),
    hidden: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ inputs, members, hidden, seed }) => {
      const layout = layoutOf(factNames(inputs));
      const artefact = randomEnsemble(layout.numeric, seed, members, hidden);
      const network = networkOf(artefact);
      const rows = Array.from({ length: 5 }, (_, row) =>
        layout.numeric.map((_fact, i) => ((row * 37 + i * 11 + (seed % 89)) % 101) ** 2),
      );
      const model = await bindModel(artefact, layout);
      const together = new Float64Array(rows.length);
      model.score(frameOf(layout, rows), together);
      expect([...together]).toEqual(rows.map((row) => inOrder(network, row)));
    }),
    { numRuns: 60 },
  );
});
