/** Affine steps, (x − mean) · scale + shift a unit: read from normalising layers, composed, folded into dense layers. Float64. */
import { ModelError } from './errors.ts';
import type { TopologyLayer } from './topology.ts';
import { layerWeight, type Weight } from './weights.ts';

export type Activation = 'linear' | 'relu' | 'sigmoid' | 'tanh';

export interface DenseLayer {
  readonly inputs: number;
  readonly units: number;
  /** `kernel[input * units + unit]`; float64 until the kernel rounds it. */
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
  readonly activation: Activation;
  /** What embedded categories add to the bias. */
  readonly lookups?: readonly Lookup[];
}

/** An embedding and the part of the dense layer that reads it, multiplied out. */
export interface Lookup {
  /** Position among the model's categories. */
  readonly category: number;
  /** `values[code * units + unit]`. */
  readonly values: Float64Array;
}

export interface Affine {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** Thrown inside the folding of a sound model that the kernel has no code for. */
export class Uncovered extends Error {}

export const filled = (length: number, value: number) => new Float64Array(length).fill(value);

export function batchNormalization(layer: TopologyLayer, width: number, weights: ReadonlyMap<string, Weight>): Affine {
  const { config, name } = layer;
  const stated = config['axis'] ?? -1;
  const axis: unknown = Array.isArray(stated) ? stated[0] : stated;
  if (axis !== -1 && axis !== 1) throw new Uncovered(`layer ${name} normalises axis ${String(axis)}`);
  const epsilon = typeof config['epsilon'] === 'number' ? config['epsilon'] : 1e-3;
  const mean = layerWeight(weights, name, 'moving_mean', [width]);
  const variance = layerWeight(weights, name, 'moving_variance', [width]);
  const gamma = config['scale'] === false ? undefined : layerWeight(weights, name, 'gamma', [width]);
  const beta = config['center'] === false ? undefined : layerWeight(weights, name, 'beta', [width]);
  const scale = Float64Array.from(variance, (v, i) => (gamma?.[i] ?? 1) / Math.sqrt(v + epsilon));
  const bad = scale.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new ModelError('model_weights', `Layer ${name} has the variance ${variance[bad]} at position ${bad}.`);
  return { mean: Float64Array.from(mean), scale, shift: beta ? Float64Array.from(beta) : filled(width, 0) };
}

export function rescaling(layer: TopologyLayer, width: number): Affine {
  const { scale, offset } = layer.config;
  if (typeof scale !== 'number') throw new Uncovered(`layer ${layer.name} rescales by ${JSON.stringify(scale)}`);
  return {
    mean: filled(width, 0),
    scale: filled(width, scale),
    shift: filled(width, typeof offset === 'number' ? offset : 0),
  };
}

/** `second` after `first`, as one step. */
export function compose(first: Affine, second: Affine): Affine {
  return {
    mean: first.mean,
    scale: first.scale.map((scale, i) => scale * (second.scale[i] ?? 0)),
    shift: first.shift.map(
      (shift, i) => (second.scale[i] ?? 0) * (shift - (second.mean[i] ?? 0)) + (second.shift[i] ?? 0),
    ),
  };
}

/** The dense layer with an affine step after it (its own activation being linear). */
export function foldAfter(layer: DenseLayer, affine: Affine): DenseLayer {
  const { units } = layer;
  const kernel = layer.kernel.map((weight, i) => weight * (affine.scale[i % units] ?? 0));
  const bias = layer.bias.map((b, u) => (b - (affine.mean[u] ?? 0)) * (affine.scale[u] ?? 0) + (affine.shift[u] ?? 0));
  const lookups = (layer.lookups ?? []).map(({ category, values }) => ({
    category,
    values: values.map((value, i) => value * (affine.scale[i % units] ?? 0)),
  }));
  return { ...layer, kernel, bias, lookups };
}

/** The dense layer with an affine step before it. */
export function foldBefore(affine: Affine, layer: DenseLayer): DenseLayer {
  const { units } = layer;
  const bias = Float64Array.from(layer.bias);
  const kernel = layer.kernel.map((weight, i) => {
    const input = Math.floor(i / units);
    const constant = (affine.shift[input] ?? 0) - (affine.mean[input] ?? 0) * (affine.scale[input] ?? 0);
    bias[i % units] = (bias[i % units] ?? 0) + weight * constant;
    return weight * (affine.scale[input] ?? 0);
  });
  return { ...layer, kernel, bias };
}
