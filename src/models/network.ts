/**
 * A model reduced to what the kernel runs: one affine step on the inputs, then dense layers. Normalisations are
 * folded in float64: a leading one stays an affine step of its own, (x − mean) · scale + shift, because folded into float32
 * weights it would cancel large numbers against each other; a later one disappears into a dense layer. Embedded categories
 * become rows that are added to the bias of the dense layer that reads them.
 */
import { factMagnitudeMax, modelInputsMax } from './bounds.ts';
import { type Affine, type DenseLayer, Uncovered } from './affine.ts';
import { addLayer, type Building, startBuilding } from './building.ts';
import { ModelError } from './errors.ts';
import { buildGraph } from './graph.ts';
import type { Topology } from './topology.ts';
import type { Weight } from './weights.ts';

export interface Network {
  readonly inputs: number;
  /** Undefined where the model takes its inputs as they are. */
  readonly scaling: Affine | undefined;
  /** The last one has one unit and is linear: its output is the logit, the logistic function follows. */
  readonly layers: readonly DenseLayer[];
}

/** Why the kernel cannot run a model, or the network that it runs. */
export type NetworkOutcome =
  | { readonly kind: 'covered'; readonly network: Network }
  | { readonly kind: 'uncovered'; readonly reason: string };

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
    for (const { values } of layer.lookups ?? [])
      for (let unit = 0; unit < layer.units; unit++) {
        let most = 0;
        for (let at = unit; at < values.length; at += layer.units) most = Math.max(most, Math.abs(values[at] ?? 0));
        sums[unit] = (sums[unit] ?? 0) + most;
      }
    bound = Math.max(...sums);
    if (!(bound < 3e38))
      throw new ModelError('model_weights', 'The weights are so large that a payment could overflow the model.');
    if (layer.activation === 'sigmoid' || layer.activation === 'tanh') bound = 1;
  }
}

function chain(topology: Topology, inputs: number, weights: ReadonlyMap<string, Weight>): Building {
  const building = startBuilding(inputs);
  for (const layer of topology.layers) addLayer(building, layer, weights);
  return building;
}

function finish(building: Building, inputs: number): Network {
  const output = building.layers[building.layers.length - 1];
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

/**
 * @param inputs numeric inputs
 * @param categorySizes codes that each category can have, in the card's order
 * @throws ModelError where the model is faulty; a sound model that the kernel cannot run is an outcome.
 */
export function buildNetwork(
  topology: Topology,
  inputs: number,
  weights: ReadonlyMap<string, Weight>,
  categorySizes: readonly number[] = [],
): NetworkOutcome {
  if (inputs > modelInputsMax)
    throw new ModelError('model_too_large', `The model has ${inputs} inputs; at most ${modelInputsMax} are allowed.`);
  try {
    const building = topology.sequential
      ? chain(topology, inputs, weights)
      : buildGraph(topology, inputs, categorySizes, weights);
    const network = finish(building, inputs);
    assertFinite(network);
    return { kind: 'covered', network };
  } catch (error) {
    if (error instanceof Uncovered) return { kind: 'uncovered', reason: error.message };
    throw error;
  }
}
