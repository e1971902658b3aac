/**
 * Trains the MLP with TF.js's WebAssembly backend: plain WebAssembly SIMD gives the same bits on every machine, and is
 * five times faster than the JavaScript backend. Seeded from end to end: the same table, options and seed give the same weights.
 */
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { log } from '../arithmetic.ts';
import { startWasmBackend } from '../tensorflow.ts';
import { createAdam, type Parameter } from './optimiser.ts';
import { shuffle, uniform } from './random.ts';
import type { Standardisation, TrainingTable } from './table.ts';

export const trainingLibrary = `@tensorflow/tfjs-core ${tf.version_core}, WebAssembly backend`;

export interface FitOptions {
  readonly hidden: readonly number[];
  readonly epochs: number;
  readonly batchRows: number;
  /** At the start; falls in a straight line to a tenth. */
  readonly learningRate: number;
  readonly weightDecay: number;
  /** The weights are averaged over this last part of the steps, which takes out the noise of the last batches. */
  readonly averagedPart: number;
  readonly seed: number;
}

export interface FitHooks {
  readonly signal: AbortSignal;
  readonly onEpoch: (epoch: number, meanLoss: number) => void;
}

export type FitOutcome =
  | { readonly kind: 'fitted'; readonly parameters: readonly Parameter[]; readonly meanLoss: number }
  | { readonly kind: 'aborted' };

/** He's uniform start; the last bias is the logit of the fraud rate, so that training starts calibrated on rare frauds. */
export function startParameters(
  width: number,
  hidden: readonly number[],
  fraudRate: number,
  seed: number,
): Parameter[] {
  const random = uniform(seed);
  return [...hidden, 1].flatMap((units, index, all) => {
    const inputs = all[index - 1] ?? width;
    const output = index === hidden.length;
    const spread = Math.sqrt((output ? 3 : 6) / inputs);
    const kernel = Float32Array.from({ length: inputs * units }, () => (random() * 2 - 1) * spread);
    const bias = new Float32Array(units).fill(output ? log(fraudRate) - log(1 - fraudRate) : 0);
    return [
      { name: `dense${index + 1}/kernel`, shape: [inputs, units], values: kernel, decays: true },
      { name: `dense${index + 1}/bias`, shape: [units], values: bias, decays: false },
    ];
  });
}

/** Mean cross-entropy of the batch and its gradients, in the order of the parameters. */
function lossAndGradients(rows: tf.Tensor2D, labels: tf.Tensor2D, parameters: readonly Parameter[]) {
  return tf.tidy(() => {
    const tensors = parameters.map(({ values, shape }) => tf.tensor(values, [...shape]));
    const loss = (...weights: tf.Tensor[]): tf.Scalar => {
      let activations: tf.Tensor = rows;
      for (let at = 0; at < weights.length; at += 2) {
        const [kernel, bias] = [weights[at], weights[at + 1]];
        if (kernel === undefined || bias === undefined) throw new Error('a layer has a kernel and a bias');
        activations = tf.add(tf.matMul(activations as tf.Tensor2D, kernel as tf.Tensor2D), bias);
        if (at + 2 < weights.length) activations = tf.relu(activations);
      }
      return tf.losses.sigmoidCrossEntropy(labels, activations);
    };
    const { value, grads } = tf.valueAndGrads(loss)(tensors);
    return { loss: value.dataSync()[0] ?? Number.NaN, gradients: grads.map((gradient) => gradient.dataSync()) };
  });
}

/** Copies the rows `order[first] …` of the standardised table into tensors, trains on them, returns the loss. */
function batchTensors(table: TrainingTable, scaled: Float32Array, order: Int32Array): [tf.Tensor2D, tf.Tensor2D] {
  const { width, labels } = table;
  const rows = new Float32Array(order.length * width);
  const answers = new Float32Array(order.length);
  order.forEach((row, at) => {
    rows.set(scaled.subarray(row * width, (row + 1) * width), at * width);
    answers[at] = labels[row] ?? 0;
  });
  return [tf.tensor2d(rows, [order.length, width]), tf.tensor2d(answers, [order.length, 1])];
}

function standardised(
  { width, values }: TrainingTable,
  { mean, variance }: Standardisation,
  epsilon: number,
): Float32Array {
  return values.map((value, at) => {
    const input = at % width;
    return (value - (mean[input] ?? 0)) / Math.sqrt((variance[input] ?? 1) + epsilon);
  });
}

/** The running mean of the parameters over the last steps. */
function createAverage(parameters: readonly Parameter[]) {
  const means = parameters.map(({ values }) => new Float64Array(values.length));
  let count = 0;
  return {
    add(): void {
      count += 1;
      parameters.forEach(({ values }, index) => {
        const mean = means[index];
        if (mean)
          for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) + ((values[i] ?? 0) - (mean[i] ?? 0)) / count;
      });
    },
    parameters(): Parameter[] {
      return parameters.map((parameter, index) => ({
        ...parameter,
        values: count === 0 ? parameter.values : Float32Array.from(means[index] ?? []),
      }));
    },
  };
}

/** Needs both classes in the table. Gives the event loop a turn every step, so that signals are heard. */
export async function fit(
  table: TrainingTable,
  scale: Standardisation,
  epsilon: number,
  options: FitOptions,
  { signal, onEpoch }: FitHooks,
): Promise<FitOutcome> {
  await startWasmBackend();
  const { batchRows, epochs, hidden, seed } = options;
  const fraudRate = table.labels.reduce((sum, label) => sum + label, 0) / table.rows;
  const parameters = startParameters(table.width, hidden, fraudRate, seed);
  const step = createAdam(parameters, options);
  const average = createAverage(parameters);
  const scaled = standardised(table, scale, epsilon);
  const random = uniform(seed ^ 0x5bd1e995);
  const order = Int32Array.from({ length: table.rows }, (_, row) => row);
  const stepsPerEpoch = Math.ceil(table.rows / batchRows);
  const steps = epochs * stepsPerEpoch;
  let meanLoss = Number.NaN;
  for (let epoch = 0, done = 0; epoch < epochs; epoch++) {
    shuffle(order, random);
    let lossSum = 0;
    for (let first = 0; first < table.rows; first += batchRows, done++) {
      await setImmediate();
      if (signal.aborted) return { kind: 'aborted' };
      const [rows, labels] = batchTensors(table, scaled, order.subarray(first, first + batchRows));
      const { loss, gradients } = lossAndGradients(rows, labels, parameters);
      tf.dispose([rows, labels]);
      lossSum += loss;
      step(gradients, options.learningRate * (1 - 0.9 * (done / steps)));
      if (done >= steps * (1 - options.averagedPart)) average.add();
    }
    meanLoss = lossSum / stepsPerEpoch;
    onEpoch(epoch + 1, meanLoss);
  }
  return { kind: 'fitted', parameters: average.parameters(), meanLoss };
}
