/** A network under construction: affine steps and activations disappear into dense layers as the model's layers come in order. */
import { layerUnitsMax } from './bounds.ts';
import {
  type Activation,
  type Affine,
  batchNormalization,
  compose,
  type DenseLayer,
  filled,
  foldAfter,
  foldBefore,
  type Lookup,
  rescaling,
  Uncovered,
} from './affine.ts';
import { ModelError } from './errors.ts';
import type { TopologyLayer } from './topology.ts';
import { layerWeight, type Weight } from './weights.ts';

export interface Building {
  width: number;
  scaling: Affine | undefined;
  readonly layers: DenseLayer[];
  /** An affine step after an activation, waiting for the dense layer that swallows it. */
  pending: Affine | undefined;
}

const activations: ReadonlySet<unknown> = new Set<Activation>(['linear', 'relu', 'sigmoid', 'tanh']);
const isActivation = (value: unknown): value is Activation => activations.has(value);
/** Layers that do nothing when a trained model predicts. */
export const idle: ReadonlySet<string> = new Set([
  'InputLayer',
  'Dropout',
  'GaussianNoise',
  'GaussianDropout',
  'AlphaDropout',
  'SpatialDropout1D',
]);

export const startBuilding = (width: number): Building => ({
  width,
  scaling: undefined,
  layers: [],
  pending: undefined,
});

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

/** The stated number of units. @throws ModelError beyond the bounds */
function unitsOf(layer: TopologyLayer): number {
  const { config, name } = layer;
  const units = config['units'];
  if (typeof units !== 'number' || !Number.isSafeInteger(units) || units < 1) {
    throw new ModelError('model_topology', `Layer ${name} has ${String(units)} units.`);
  }
  if (units > layerUnitsMax)
    throw new ModelError('model_too_large', `Layer ${name} has ${units} units; at most ${layerUnitsMax} are allowed.`);
  return units;
}

export interface DenseWeights {
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
}

export function denseWeights(layer: TopologyLayer, width: number, weights: ReadonlyMap<string, Weight>): DenseWeights {
  const units = unitsOf(layer);
  const { config, name } = layer;
  const kernel = Float64Array.from(layerWeight(weights, name, 'kernel', [width, units]));
  const bias =
    config['use_bias'] === false ? filled(units, 0) : Float64Array.from(layerWeight(weights, name, 'bias', [units]));
  return { kernel, bias };
}

/** @param kernel the weights of the building's own columns; what else the layer reads is in `lookups` */
export function addDense(
  building: Building,
  layer: TopologyLayer,
  { kernel, bias }: DenseWeights,
  lookups: readonly Lookup[] = [],
): void {
  const units = bias.length;
  const dense: DenseLayer = { inputs: building.width, units, kernel, bias, activation: 'linear', lookups };
  building.layers.push(building.pending ? foldBefore(building.pending, dense) : dense);
  building.pending = undefined;
  building.width = units;
  addActivation(building, layer, layer.config['activation'] ?? 'linear');
}

/** One more layer after what is there. @throws Uncovered, ModelError */
export function addLayer(building: Building, layer: TopologyLayer, weights: ReadonlyMap<string, Weight>): void {
  const { className, config } = layer;
  if (idle.has(className)) return;
  if (className === 'Dense') addDense(building, layer, denseWeights(layer, building.width, weights));
  else if (className === 'ReLU' && (config['max_value'] ?? null) === null) addActivation(building, layer, 'relu');
  else if (className === 'Activation') addActivation(building, layer, config['activation']);
  else addAffine(building, affineOf(layer, building.width, weights));
}

/** What a normalising layer does to each column. @throws Uncovered for any other layer */
export function affineOf(layer: TopologyLayer, width: number, weights: ReadonlyMap<string, Weight>): Affine {
  if (layer.className === 'BatchNormalization') return batchNormalization(layer, width, weights);
  if (layer.className === 'Rescaling') return rescaling(layer, width);
  throw new Uncovered(`layer ${layer.name} is a ${layer.className}`);
}
