/**
 * Loss and gradients of a perceptron by TF.js's kernels, written out. TF.js's own differentiation multiplies by transposed
 * matrices, for which its WebAssembly backend has no fast path; transposing first makes a step several times faster.
 */
import * as tf from '@tensorflow/tfjs-core';
import { exp } from '../arithmetic.ts';
import type { Parameter } from './optimiser.ts';

export interface Batch {
  /** Standardised inputs, [row][input]. */
  readonly inputs: Float32Array;
  /** 1 is fraud. */
  readonly labels: Float32Array;
  /** A mask a hidden layer, [row][unit]; none without dropout. */
  readonly masks: readonly Float32Array[];
}

interface Layer {
  readonly kernel: tf.Tensor2D;
  readonly bias: tf.Tensor1D;
}

function layersOf(parameters: readonly Parameter[]): Layer[] {
  return Array.from({ length: parameters.length / 2 }, (_, at) => {
    const [kernel, bias] = [parameters[2 * at], parameters[2 * at + 1]];
    if (kernel === undefined || bias === undefined) throw new Error('a layer has a kernel and a bias');
    return {
      kernel: tf.tensor2d(kernel.values, [kernel.shape[0] ?? 0, kernel.shape[1] ?? 0]),
      bias: tf.tensor1d(bias.values),
    };
  });
}

const dense = (a: tf.Tensor2D, { kernel, bias }: Layer, activation: 'relu' | 'linear'): tf.Tensor2D =>
  tf.fused.matMul({ a, b: kernel, bias, activation }) as tf.Tensor2D;

/** Inputs of every layer (the batch, then what each hidden layer gives on), and the logits. */
function forward(inputs: tf.Tensor2D, layers: readonly Layer[], masks: readonly tf.Tensor2D[]) {
  const activations = [inputs];
  layers.slice(0, -1).forEach((layer, at) => {
    const active = dense(activations[at] as tf.Tensor2D, layer, 'relu');
    const mask = masks[at];
    activations.push(mask === undefined ? active : tf.mul(active, mask));
  });
  return { activations, logits: dense(activations.at(-1) as tf.Tensor2D, layers.at(-1) as Layer, 'linear') };
}

/** Logits of rows of standardised inputs, without dropout. */
export function logitsOfBatch(inputs: Float32Array, rows: number, parameters: readonly Parameter[]): Float32Array {
  let answer = new Float32Array(0);
  tf.tidy(() => {
    const { logits } = forward(tf.tensor2d(inputs, [rows, inputs.length / rows]), layersOf(parameters), []);
    answer = logits.dataSync() as Float32Array<ArrayBuffer>;
  });
  return answer;
}

/** Mean cross-entropy, and its derivative by each logit. */
function crossEntropy(logits: Float32Array, labels: Float32Array): { loss: number; slopes: Float32Array } {
  const slopes = new Float32Array(labels.length);
  let sum = 0;
  labels.forEach((label, row) => {
    const logit = logits[row] as number;
    const small = exp(-Math.abs(logit));
    const probability = logit >= 0 ? 1 / (1 + small) : small / (1 + small);
    sum += Math.max(logit, 0) - logit * label + Math.log1p(small);
    slopes[row] = (probability - label) / labels.length;
  });
  return { loss: sum / labels.length, slopes };
}

export interface LossAndGradients {
  /** Mean cross-entropy of the batch. */
  readonly loss: number;
  /** In the order of the parameters. */
  readonly gradients: readonly ArrayLike<number>[];
  /** By the inputs from the first asked for on, [row][input]; empty where there are none. */
  readonly inputSlopes: Float32Array;
}

/**
 * @param parameters of the dense layers
 * @param slopesFrom the first input whose own derivatives are wanted; beyond the inputs: none
 */
export function lossAndGradients(
  { inputs, labels, masks }: Batch,
  parameters: readonly Parameter[],
  slopesFrom = Number.POSITIVE_INFINITY,
): LossAndGradients {
  const gradients: ArrayLike<number>[] = [];
  let inputSlopes = new Float32Array(0);
  let meanLoss = Number.NaN;
  // The answer is not tidy's: it would look for tensors among all the numbers.
  tf.tidy(() => {
    const rows = labels.length;
    const layers = layersOf(parameters);
    const maskTensors = masks.map((mask) => tf.tensor2d(mask, [rows, mask.length / rows]));
    const { activations, logits } = forward(tf.tensor2d(inputs, [rows, inputs.length / rows]), layers, maskTensors);
    const { loss, slopes } = crossEntropy(logits.dataSync() as Float32Array, labels);
    meanLoss = loss;
    let slope = tf.tensor2d(slopes, [rows, 1]);
    for (let at = layers.length - 1; at >= 0; at--) {
      const input = activations[at] as tf.Tensor2D;
      gradients[2 * at] = tf.matMul(tf.transpose(input), slope).dataSync();
      gradients[2 * at + 1] = tf.sum(slope, 0).dataSync();
      if (at === 0) {
        const { kernel } = layers[0] as Layer;
        const wanted = kernel.shape[0] - slopesFrom;
        if (wanted > 0) {
          const from = tf.slice(kernel, [slopesFrom, 0], [wanted, kernel.shape[1]]);
          inputSlopes = tf.matMul(slope, tf.transpose(from)).dataSync() as Float32Array<ArrayBuffer>;
        }
        break;
      }
      const passed = tf.matMul(slope, tf.transpose((layers[at] as Layer).kernel));
      const open = tf.step(input);
      const mask = maskTensors[at - 1];
      slope = tf.mul(passed, mask === undefined ? open : tf.mul(open, mask));
    }
  });
  return { loss: meanLoss, gradients, inputSlopes };
}
