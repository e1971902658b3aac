// Guarantee: the compiled kernel gives what TF.js gives, within 1e-6 on the probability, for every architecture it accepts;
// the tfjs-wasm fallback does for the others; neither leaks a tensor. Where inputs that no standardisation tamed drive units
// to magnitudes above `tame`, TF.js itself is further than 1e-6 from float64, and the tolerance grows with the magnitude.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {
  input as graphInput,
  layers,
  type LayersModel,
  model as graphModel,
  type SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { prepareFact } from '../../../src/models/arithmetic.ts';
import { bindModel } from '../../../src/models/bind.ts';
import type { ModelInput } from '../../../src/models/types.ts';
import { factNames, frameOf, layoutOf } from '../../unit/models/frames.ts';
import { forward, networkOf } from './reference.ts';
import { buildSequential, type NetworkShape, randomise, saved } from './networks.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** What TF.js makes of the prepared rows. */
function predicted(
  model: LayersModel,
  inputs: readonly ModelInput[],
  rows: readonly (readonly number[])[],
): Float32Array {
  const prepared = rows.map((row) =>
    inputs.map((one, i) => prepareFact(row[i] ?? Number.NaN, one.transform, one.missing)),
  );
  return tf.tidy(() => {
    const output = model.predict(tf.tensor2d(prepared, [rows.length, inputs.length]), { batchSize: rows.length });
    return Float32Array.from((output as tf.Tensor).dataSync());
  });
}

const hidden = fc.record({
  units: fc.integer({ min: 1, max: 70 }),
  activation: fc.constantFrom('relu', 'tanh', 'sigmoid', 'linear'),
  after: fc.constantFrom('none', 'normalise', 'dropout', 'normalise, relu'),
});
const shapes: fc.Arbitrary<NetworkShape> = fc.record({
  inputs: fc.integer({ min: 1, max: 40 }),
  leading: fc.array(fc.constantFrom('normalise', 'rescale'), { maxLength: 2 }),
  hidden: fc.array(hidden, { maxLength: 3 }),
  bias: fc.boolean(),
  seed: fc.nat(),
});
/** Plain inputs are of the size that a standardised network meets; huge ones go through the transform, as in a real model. */
const plain = fc.oneof(
  { weight: 9, arbitrary: fc.double({ min: -4, max: 4, noNaN: true }) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
);
const huge = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: -50, max: 50, noNaN: true }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(9e15, -9e15, 1e6, 123456.78, Number.POSITIVE_INFINITY, 1e300, 0, -0, 1e-310),
  },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
);

const tame = 8;

test('kernel = TF.js within 1e-6 over random architectures, weights and inputs', async () => {
  let tamed = 0;
  await fc.assert(
    fc.asyncProperty(shapes, fc.infiniteStream(plain), fc.infiniteStream(huge), async (shape, plains, huges) => {
      const model = buildSequential(shape);
      const inputs: ModelInput[] = factNames(shape.inputs).map((fact, i) => ({
        fact,
        transform: i % 3 === 0 ? 'signedLog1p' : 'none',
        missing: i % 2,
      }));
      const layout = layoutOf(factNames(shape.inputs));
      const artefact = await saved(model, inputs);
      const bound = await bindModel(artefact, layout);
      expect(bound.backend).toBe('kernel');
      const rows = Array.from({ length: 11 }, () =>
        inputs.map((one) => (one.transform === 'none' ? plains : huges).next().value as number),
      );
      const ours = new Float64Array(rows.length);
      bound.score(frameOf(layout, rows), ours);
      const network = networkOf(artefact);
      predicted(model, inputs, rows).forEach((theirs, i) => {
        const { probability, peak } = forward(network, inputs, rows[i] ?? []);
        if (peak <= tame) tamed += 1;
        const tolerance = 1e-6 * Math.max(1, peak / tame);
        expect(Math.abs(theirs - (ours[i] ?? Number.NaN))).toBeLessThanOrEqual(tolerance);
        expect(Math.abs(probability - (ours[i] ?? Number.NaN))).toBeLessThanOrEqual(tolerance);
      });
      model.dispose();
    }),
    { numRuns: 150 },
  );
  expect(tamed).toBeGreaterThan(100);
});

/** A model with a skip connection and an activation that the kernel has no code for. */
function skipping(width: number): LayersModel {
  const start = graphInput({ shape: [width] });
  const inner = layers.dense({ units: 24, activation: 'elu' }).apply(start);
  const joined = layers.concatenate().apply([start, inner] as SymbolicTensor[]);
  const output = layers.dense({ units: 1, activation: 'sigmoid' }).apply(joined) as SymbolicTensor;
  const model = graphModel({ inputs: start, outputs: output });
  randomise(model, 11);
  return model;
}

test('what the kernel does not cover goes through tfjs-wasm: right, independent of the batch, without a leak', async () => {
  await tf.setBackend('cpu');
  const inputs: ModelInput[] = factNames(9).map((fact) => ({ fact, transform: 'signedLog1p', missing: 0.5 }));
  const layout = layoutOf(factNames(9));
  const model = skipping(9);
  const rows = Array.from({ length: 77 }, (_, row) =>
    inputs.map((_, i) => (row + i === 20 ? Number.NaN : ((row * 13 + i * 29) % 41) - 20)),
  );
  const expected = predicted(model, inputs, rows);
  const artefact = await saved(model, inputs);
  model.dispose();
  const bound = await bindModel(artefact, layout);
  expect(bound.backend).toBe('wasm');
  const together = new Float64Array(rows.length);
  const frame = frameOf(layout, rows);
  bound.score(frame, together);
  const tensors = tf.memory().numTensors;
  rows.forEach((row, i) => {
    expect(Math.abs((together[i] ?? 0) - (expected[i] ?? 1))).toBeLessThanOrEqual(1e-6);
    const alone = new Float64Array(1);
    bound.score(frameOf(layout, [row]), alone);
    expect(alone[0]).toBe(together[i]);
  });
  const reasons = bound.explain(frame, 3, 4);
  expect(reasons).toHaveLength(4);
  expect(bound.explain(frame, 3, 4)).toEqual(reasons);
  expect(tf.memory().numTensors).toBe(tensors);
});

test('the kernel makes no tensor', async () => {
  const shape: NetworkShape = { inputs: 5, leading: ['normalise'], hidden: [], bias: true, seed: 1 };
  const model = buildSequential(shape);
  const layout = layoutOf(factNames(5));
  const artefact = await saved(
    model,
    factNames(5).map((fact) => ({ fact, transform: 'none', missing: 0 })),
  );
  const tensors = tf.memory().numTensors;
  const bound = await bindModel(artefact, layout);
  bound.score(frameOf(layout, [[1, 2, 3, 4, 5]]), new Float64Array(1));
  bound.explain(frameOf(layout, [[1, 2, 3, 4, 5]]), 0, 3);
  expect(tf.memory().numTensors).toBe(tensors);
});

test('an uncovered model that ends in something else than one probability is refused', async () => {
  const start = graphInput({ shape: [3] });
  const two = layers.dense({ units: 2, activation: 'softmax' }).apply(start) as SymbolicTensor;
  const model = graphModel({ inputs: start, outputs: two });
  const artefact = await saved(
    model,
    factNames(3).map((fact) => ({ fact, transform: 'none', missing: 0 })),
  );
  await expect(bindModel(artefact, layoutOf(factNames(3)))).rejects.toMatchObject({
    code: 'model_output',
    message: expect.stringMatching(/\[rows, 2\] with activation "softmax"/),
  });
});
