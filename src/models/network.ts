/**
 * A sequential model reduced to what the kernel runs: one affine step on the inputs, then dense layers. Normalisations are
 * folded in float64: a leading one stays an affine step of its own, (x − mean) · scale + shift, because folded into float32
 * weights it would cancel large numbers against each other; a later one disappears into a dense layer.
 */
import { factMagnitudeMax, layerUnitsMax, modelInputsMax } from './bounds.ts';
import {
  type Activation,
  type Affine,
  batchNormalization,
  compose,
  type DenseLayer,
  filled,
  foldAfter,
  foldBefore,
  rescaling,
  Uncovered,
} from './affine.ts';
import { ModelError } from './errors.ts';
import type { Topology, TopologyLayer } from './topology.ts';
import { layerWeight, type Weight } from './weights.ts';

export interface Network {
  readonly inputs: number;
  /** Undefined where the model takes its inputs as they are. */
  readonly scaling: Affine | undefined;
  /** The last one has one unit and is linear: its output is the logit, the logistic function follows. */
  readonly layers: readonly DenseLayer[];
}

interface Building {
  width: number;
  scaling: Affine | undefined;
  readonly layers: DenseLayer[];
  /** An affine step after an activation, waiting for the dense layer that swallows it. */
  pending: Affine | undefined;
}

const activations: ReadonlySet<unknown> = new Set<Activation>(['linear', 'relu', 'sigmoid', 'tanh']);
const isActivation = (value: unknown): value is Activation => activations.has(value);
/** Layers that do nothing when a trained model predicts. */
const idle: ReadonlySet<string> = new Set([
  'InputLayer',
  'Dropout',
  'GaussianNoise',
  'GaussianDropout',
  'AlphaDropout',
]);

const last = <T>(items: readonly T[]): T | undefined => items[items.length - 1];

/** Why the kernel cannot run a model, or the network that it runs. */
export type NetworkOutcome =
  | { readonly kind: 'covered'; readonly network: Network }
  | { readonly kind: 'uncovered'; readonly reason: string };

function addAffine(building: Building, affine: Affine): void {
  const dense = building.layers.pop();
  if (dense === undefined) {
    building.scaling = building.scaling ? compose(building.scaling, affine) : affine;
  } else if (dense.activation === 'linear') {
    building.layers.push(foldAfter(dense, affine));
  } else {
    building.layers.push(dense);
    building.pending = building.pending ? compose(building.pending, affine) : affine;
  }
}

function addActivation(building: Building, layer: TopologyLayer, activation: unknown): void {
  if (!isActivation(activation))
    throw new Uncovered(`layer ${layer.name} has the activation ${JSON.stringify(activation)}`);
  if (activation === 'linear') return;
  const dense = building.layers.pop();
  if (dense === undefined || dense.activation !== 'linear' || building.pending) {
    throw new Uncovered(`layer ${layer.name} puts ${activation} after something other than a dense layer`);
  }
  building.layers.push({ ...dense, activation });
}

function addDense(building: Building, layer: TopologyLayer, weights: ReadonlyMap<string, Weight>): void {
  const { config, name } = layer;
  const units = config['units'];
  if (typeof units !== 'number' || !Number.isSafeInteger(units) || units < 1) {
    throw new ModelError('model_topology', `Layer ${name} has ${String(units)} units.`);
  }
  if (units > layerUnitsMax)
    throw new ModelError('model_too_large', `Layer ${name} has ${units} units; at most ${layerUnitsMax} are allowed.`);
  const kernel = Float64Array.from(layerWeight(weights, name, 'kernel', [building.width, units]));
  const bias =
    config['use_bias'] === false ? filled(units, 0) : Float64Array.from(layerWeight(weights, name, 'bias', [units]));
  const dense: DenseLayer = { inputs: building.width, units, kernel, bias, activation: 'linear' };
  building.layers.push(building.pending ? foldBefore(building.pending, dense) : dense);
  building.pending = undefined;
  building.width = units;
  addActivation(building, layer, config['activation'] ?? 'linear');
}

/** The largest magnitude any unit can reach; the kernel must stay inside float32. */
function assertFinite(network: Network): void {
  let bound = factMagnitudeMax;
  if (network.scaling) {
    const { mean, scale, shift } = network.scaling;
    bound = scale.reduce(
      (most, s, i) => Math.max(most, Math.abs(s) * (bound + Math.abs(mean[i] ?? 0)) + Math.abs(shift[i] ?? 0)),
      0,
    );
  }
  for (const layer of network.layers) {
    const sums = Array.from(layer.bias, (b) => Math.abs(b));
    layer.kernel.forEach((weight, i) => {
      sums[i % layer.units] = (sums[i % layer.units] ?? 0) + Math.abs(weight) * bound;
    });
    bound = Math.max(...sums);
    if (!(bound < 3e38))
      throw new ModelError('model_weights', 'The weights are so large that a payment could overflow the model.');
    if (layer.activation === 'sigmoid' || layer.activation === 'tanh') bound = 1;
  }
}

function build(topology: Topology, inputs: number, weights: ReadonlyMap<string, Weight>): Network {
  const building: Building = { width: inputs, scaling: undefined, layers: [], pending: undefined };
  for (const layer of topology.layers) {
    if (idle.has(layer.className)) continue;
    if (layer.className === 'Dense') addDense(building, layer, weights);
    else if (layer.className === 'BatchNormalization')
      addAffine(building, batchNormalization(layer, building.width, weights));
    else if (layer.className === 'Rescaling') addAffine(building, rescaling(layer, building.width));
    else if (layer.className === 'ReLU' && (layer.config['max_value'] ?? null) === null)
      addActivation(building, layer, 'relu');
    else if (layer.className === 'Activation') addActivation(building, layer, layer.config['activation']);
    else throw new Uncovered(`layer ${layer.name} is a ${layer.className}`);
  }
  const output = last(building.layers);
  if (output === undefined || building.pending || output.units !== 1 || output.activation !== 'sigmoid') {
    const shape = output ? `${output.units} columns with activation ${output.activation}` : 'no dense layer';
    throw new ModelError(
      'model_output',
      `The model ends in ${shape}; one column with a sigmoid, a probability, is needed.`,
    );
  }
  const layers = [...building.layers.slice(0, -1), { ...output, activation: 'linear' as const }];
  return { inputs, scaling: building.scaling, layers };
}

/** @throws ModelError where the model is faulty; a sound model that the kernel cannot run is an outcome. */
export function buildNetwork(topology: Topology, inputs: number, weights: ReadonlyMap<string, Weight>): NetworkOutcome {
  if (inputs > modelInputsMax)
    throw new ModelError('model_too_large', `The model has ${inputs} inputs; at most ${modelInputsMax} are allowed.`);
  if (!topology.sequential) return { kind: 'uncovered', reason: 'the model is not sequential' };
  try {
    const network = build(topology, inputs, weights);
    assertFinite(network);
    return { kind: 'covered', network };
  } catch (error) {
    if (error instanceof Uncovered) return { kind: 'uncovered', reason: error.message };
    throw error;
  }
}
