// Guarantee: training is deterministic (the same table and seed, the same bytes), learns what is there to learn, starts and
// stays calibrated on rare frauds, keeps the epoch that validates best, stops at once when told to, and leaves no tensor behind.
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { bindModel } from '../../../src/models/bind.ts';
import { rocAuc } from '../../../src/models/metrics.ts';
import { startWasmBackend } from '../../../src/models/tensorflow.ts';
import { assemble } from '../../../src/models/training/assemble.ts';
import { dropoutMasks } from '../../../src/models/training/dropout.ts';
import { type FitHooks, type FitOptions, fit, startParameters } from '../../../src/models/training/fit.ts';
import { lossAndGradients } from '../../../src/models/training/gradients.ts';
import { createAdam } from '../../../src/models/training/optimiser.ts';
import { shuffle, uniform } from '../../../src/models/training/random.ts';
import { standardisation, trainingTable } from '../../../src/models/training/table.ts';
import type { ModelInput } from '../../../src/models/types.ts';
import { frameOf, layoutOf } from '../../unit/models/frames.ts';

const inputs: ModelInput[] = [
  { fact: 'amountMinor', transform: 'signedLog1p', missing: 0 },
  { fact: 'rate', transform: 'none', missing: 0 },
  { fact: 'constant', transform: 'none', missing: 3 },
];
const options: FitOptions = {
  hidden: [8, 4],
  epochs: 10,
  batchRows: 100,
  learningRate: 0.02,
  weightDecay: 0.01,
  dropout: 0.1,
  patienceEpochs: 6,
  seed: 5,
};
const rows = 4000;
const all = Int32Array.from({ length: rows }, (_, row) => row);
const hooks: FitHooks = { stopped: () => false, onEpoch: () => undefined };

beforeAll(startWasmBackend);

/** Fraud is an amount above 20,000 at a rate above one half: not linear, 5 % of the rows. */
function examples() {
  const random = uniform(42);
  const facts = new Float64Array(rows * 3);
  const labels = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const [amount, rate] = [random() * 22_222, random()];
    facts.set([amount, rate, row % 2 === 0 ? Number.NaN : 3], row * 3);
    labels[row] = amount > 20_000 && rate > 0.5 ? 1 : 0;
  }
  const value = (row: number, input: number): number => facts[row * 3 + input] ?? Number.NaN;
  return { facts, labels, table: trainingTable(inputs, { rows, value }, labels) };
}

async function trained(change: Partial<FitOptions> = {}) {
  const epochs: number[] = [];
  const fitted = fit(
    { table: examples().table, rows: all, validationRows: new Int32Array(0), options: { ...options, ...change } },
    { ...hooks, onEpoch: ({ meanLoss }) => epochs.push(meanLoss) },
  );
  if (fitted === undefined) throw new Error('nothing was fitted');
  return { artefact: await assemble(fitted.scale, fitted.parameters, { id: 'test', inputs }), epochs };
}

test('the same seed gives the same bytes, another seed others; the loss falls; no tensor is left', async () => {
  await trained({ epochs: 1 });
  const tensors = tf.memory().numTensors;
  const [first, second, other] = [await trained(), await trained(), await trained({ seed: 6 })];
  expect(second.artefact).toEqual(first.artefact);
  expect(other.artefact.weightData).not.toBe(first.artefact.weightData);
  expect(first.epochs).toHaveLength(options.epochs);
  expect(first.epochs.at(-1)).toBeLessThan((first.epochs[0] ?? 0) / 2);
  expect(tf.memory().numTensors).toBe(tensors);
});

test('the trained model goes through the kernel, ranks well, and its mean probability is the rate of fraud', async () => {
  const { artefact } = await trained();
  const { facts, labels } = examples();
  const layout = layoutOf(inputs.map(({ fact }) => fact));
  const model = await bindModel(artefact, layout);
  expect(model.backend).toBe('kernel');
  const probabilities = new Float64Array(rows);
  model.score(
    frameOf(
      layout,
      Array.from({ length: rows }, (_, row) => [...facts.subarray(row * 3, row * 3 + 3)]),
    ),
    probabilities,
  );
  const scored = Array.from(probabilities, (score, card) => ({ score, fraud: labels[card] === 1, card, day: 0 }));
  expect(rocAuc(scored)).toBeGreaterThan(0.98);
  const mean = probabilities.reduce((sum, p) => sum + p, 0) / rows;
  const rate = labels.reduce((sum, label) => sum + label, 0) / rows;
  expect(Math.abs(mean - rate)).toBeLessThan(rate / 4);
});

test('the gradients are those of the loss: TF.js’s own differentiation gives the same, dropout included', () => {
  const random = uniform(8);
  const [batchRows, width] = [16, 5];
  const numbers = (count: number) => Float32Array.from({ length: count }, () => random() * 2 - 1);
  const parameters = startParameters(width, [6, 4], 0.2, 3).map((p) => ({ ...p, values: numbers(p.values.length) }));
  const batch = {
    inputs: numbers(batchRows * width),
    labels: Float32Array.from({ length: batchRows }, () => (random() < 0.3 ? 1 : 0)),
    masks: dropoutMasks([6, 4], 0.25, random)(batchRows),
  };
  const { loss, gradients } = lossAndGradients(batch, parameters);
  const theirs = tf.tidy(() => {
    const run = (...weights: tf.Tensor[]): tf.Scalar => {
      let active: tf.Tensor = tf.tensor2d(batch.inputs, [batchRows, width]);
      for (let at = 0; at < weights.length; at += 2) {
        active = tf.add(tf.matMul(active as tf.Tensor2D, weights[at] as tf.Tensor2D), weights[at + 1] as tf.Tensor);
        const mask = batch.masks[at / 2];
        if (mask) active = tf.mul(tf.relu(active), tf.tensor2d(mask, [batchRows, mask.length / batchRows]));
      }
      return tf.losses.sigmoidCrossEntropy(tf.tensor2d(batch.labels, [batchRows, 1]), active);
    };
    const { value, grads } = tf.valueAndGrads(run)(parameters.map((p) => tf.tensor(p.values, [...p.shape])));
    return [value.dataSync()[0] ?? Number.NaN, grads.map((grad) => [...grad.dataSync()])] as const;
  });
  expect(loss).toBeCloseTo(theirs[0], 5);
  theirs[1].forEach((expected, at) => expected.forEach((value, i) => expect(gradients[at]?.[i]).toBeCloseTo(value, 5)));
});

test('with validation rows the best epoch is kept, and training ends when it does not come again', () => {
  const { table } = examples();
  const seen: number[] = [];
  const fitted = fit(
    {
      table,
      rows: all.subarray(0, 3000),
      validationRows: all.subarray(3000),
      // Far too quick: the later epochs are worse than the best one.
      options: { ...options, epochs: 200, learningRate: 0.3, patienceEpochs: 3 },
    },
    { ...hooks, onEpoch: ({ validationAp }) => seen.push(validationAp ?? Number.NaN) },
  );
  expect(fitted?.validationAp).toBe(Math.max(...seen));
  expect(fitted?.epoch).toBe(seen.indexOf(Math.max(...seen)) + 1);
  expect(seen).toHaveLength((fitted?.epoch ?? 0) + 3);
  expect(fitted?.validationLogits).toHaveLength(1000);
});

test('the untrained network already says the rate of fraud, on average', () => {
  const bias = startParameters(17, [64, 32], 0.01, 1).at(-1);
  expect(1 / (1 + Math.exp(-(bias?.values[0] ?? 0)))).toBeCloseTo(0.01, 6);
});

test('told to stop, it stops at the next step and gives the best so far; before the first epoch there is none', () => {
  const { table } = examples();
  let epochs = 0;
  const task = { table, rows: all, validationRows: new Int32Array(0), options: { ...options, epochs: 50 } };
  const fitted = fit(task, {
    stopped: () => epochs > 0,
    onEpoch: () => {
      epochs += 1;
    },
  });
  expect(fitted).toMatchObject({ stopped: true, epoch: 1 });
  expect(epochs).toBe(1);
  expect(fit(task, { ...hooks, stopped: () => true })).toBeUndefined();
});

test('an input that never varies is standardised to zero, not divided by it', () => {
  const { mean, variance } = standardisation(examples().table, all);
  expect([mean[2], variance[2]]).toEqual([3, 1]);
});

test('dropout leaves out its share and keeps the expectation; the same seed gives the same masks', () => {
  const masks = dropoutMasks([40, 10], 0.25, uniform(4))(500);
  expect(masks.map(({ length }) => length)).toEqual([20_000, 5000]);
  const [mask] = masks;
  const zeros = mask?.filter((value) => value === 0).length ?? 0;
  expect(zeros / 20_000).toBeCloseTo(0.25, 1);
  expect((mask?.reduce((sum, value) => sum + value, 0) ?? 0) / 20_000).toBeCloseTo(1, 1);
  expect(dropoutMasks([40, 10], 0.25, uniform(4))(500)).toEqual(masks);
  expect(dropoutMasks([40, 10], 0, uniform(4))(500)).toEqual([]);
});

test('Adam walks to the minimum of a bowl; decay draws only what decays', () => {
  const parameters = [
    { name: 'a', shape: [2], values: Float32Array.from([5, -3]), decays: false },
    { name: 'b', shape: [1], values: Float32Array.from([1]), decays: true },
  ];
  const step = createAdam(parameters, { weightDecay: 0.1 });
  for (let i = 0; i < 2000; i++) {
    const [a, b] = parameters;
    step([Array.from(a?.values ?? [], (x, at) => 2 * (x - at)), [0]], 0.02);
    if (b === undefined) throw new Error('no parameter');
  }
  expect(parameters[0]?.values[0]).toBeCloseTo(0, 2);
  expect(parameters[0]?.values[1]).toBeCloseTo(1, 2);
  expect(parameters[1]?.values[0]).toBeCloseTo((1 - 0.002) ** 2000, 3);
});

test('a shuffle is a permutation, and the same one for the same seed', () => {
  const order = (seed: number) => {
    const items = Int32Array.from({ length: 500 }, (_, i) => i);
    shuffle(items, uniform(seed));
    return [...items];
  };
  expect(order(3)).toEqual(order(3));
  expect(order(3)).not.toEqual(order(4));
  expect(order(3).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i));
});
