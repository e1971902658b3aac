// Guarantee: training is deterministic (the same table and seed, the same bytes), learns what is there to learn, starts and
// stays calibrated on rare frauds, stops at once when told to, and leaves no tensor behind.
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { bindModel } from '../../../src/models/bind.ts';
import { rocAuc } from '../../../src/models/metrics.ts';
import { assemble, scalingEpsilon } from '../../../src/models/training/assemble.ts';
import { type FitOptions, fit, startParameters } from '../../../src/models/training/fit.ts';
import { createAdam } from '../../../src/models/training/optimiser.ts';
import { shuffle, uniform } from '../../../src/models/training/random.ts';
import { standardisation, trainingTable } from '../../../src/models/training/table.ts';
import type { ModelArtefact, ModelInput } from '../../../src/models/types.ts';
import { frameOf, layoutOf } from '../../unit/models/frames.ts';

const inputs: ModelInput[] = [
  { fact: 'amountMinor', transform: 'signedLog1p', missing: 0 },
  { fact: 'rate', transform: 'none', missing: 0 },
  { fact: 'constant', transform: 'none', missing: 3 },
];
const options: FitOptions = {
  hidden: [8, 4],
  epochs: 6,
  batchRows: 100,
  learningRate: 0.01,
  weightDecay: 0.01,
  averagedPart: 0.3,
  seed: 5,
};
const rows = 4000;

/** Fraud is an amount above 20,000 at a rate above one half: not linear, 5 % of the rows. */
function examples(): { facts: Float64Array; labels: Uint8Array } {
  const random = uniform(42);
  const facts = new Float64Array(rows * 3);
  const labels = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const [amount, rate] = [random() * 22_222, random()];
    facts.set([amount, rate, row % 2 === 0 ? Number.NaN : 3], row * 3);
    labels[row] = amount > 20_000 && rate > 0.5 ? 1 : 0;
  }
  return { facts, labels };
}

async function trained(change: Partial<FitOptions> = {}): Promise<{ artefact: ModelArtefact; epochs: number[] }> {
  const { facts, labels } = examples();
  const table = trainingTable(inputs, facts, labels);
  const scale = standardisation(table);
  const epochs: number[] = [];
  const hooks = { signal: new AbortController().signal, onEpoch: (_: number, loss: number) => epochs.push(loss) };
  const outcome = await fit(table, scale, scalingEpsilon, { ...options, ...change }, hooks);
  if (outcome.kind !== 'fitted') throw new Error('aborted');
  return { artefact: await assemble(scale, outcome.parameters, { id: 'test', inputs }), epochs };
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
  expect(rocAuc(scored)).toBeGreaterThan(0.99);
  const mean = probabilities.reduce((sum, p) => sum + p, 0) / rows;
  const rate = labels.reduce((sum, label) => sum + label, 0) / rows;
  expect(Math.abs(mean - rate)).toBeLessThan(rate / 5);
});

test('the untrained network already says the rate of fraud, on average', () => {
  const bias = startParameters(17, [64, 32], 0.01, 1).at(-1);
  expect(1 / (1 + Math.exp(-(bias?.values[0] ?? 0)))).toBeCloseTo(0.01, 6);
});

test('told to stop, it stops at the next step', async () => {
  const { facts, labels } = examples();
  const table = trainingTable(inputs, facts, labels);
  const stop = new AbortController();
  let epochs = 0;
  const onEpoch = () => {
    epochs += 1;
    stop.abort();
  };
  const outcome = await fit(
    table,
    standardisation(table),
    scalingEpsilon,
    { ...options, epochs: 50 },
    { signal: stop.signal, onEpoch },
  );
  expect(outcome).toEqual({ kind: 'aborted' });
  expect(epochs).toBe(1);
});

test('an input that never varies is standardised to zero, not divided by it', () => {
  const { facts, labels } = examples();
  const { mean, variance } = standardisation(trainingTable(inputs, facts, labels));
  expect([mean[2], variance[2]]).toEqual([3, 1]);
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
