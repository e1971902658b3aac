/** The network in float64: what float32 arithmetic, TF.js's and ours, is measured against. */
import { prepareFact } from '../../../src/models/arithmetic.ts';
import { buildNetwork, type Network } from '../../../src/models/network.ts';
import { readTopology } from '../../../src/models/topology.ts';
import type { ModelArtefact, ModelInput } from '../../../src/models/types.ts';
import { decodeWeights } from '../../../src/models/weights.ts';

export function networkOf(artefact: ModelArtefact): Network {
  const outcome = buildNetwork(
    readTopology(artefact.modelTopology),
    artefact.card.inputs.length,
    decodeWeights(artefact),
  );
  if (outcome.kind === 'uncovered') throw new Error(outcome.reason);
  return outcome.network;
}

const activate = {
  relu: (x: number) => Math.max(0, x),
  linear: (x: number) => x,
  tanh: Math.tanh,
  sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
};

/** The probability, and the largest magnitude that any unit reached on the way: float32 rounds in proportion to it. */
export function forward(
  network: Network,
  inputs: readonly ModelInput[],
  facts: readonly number[],
): { probability: number; peak: number } {
  const { scaling, layers } = network;
  let values = inputs.map((input, i) => {
    const x = prepareFact(facts[i] ?? Number.NaN, input.transform, input.missing);
    return scaling ? (x - (scaling.mean[i] ?? 0)) * (scaling.scale[i] ?? 0) + (scaling.shift[i] ?? 0) : x;
  });
  let peak = Math.max(...values.map(Math.abs));
  for (const layer of layers) {
    const sums = Array.from(layer.bias, (bias, unit) =>
      values.reduce((sum, value, i) => sum + value * (layer.kernel[i * layer.units + unit] ?? 0), bias),
    );
    peak = Math.max(peak, ...sums.map(Math.abs));
    values = sums.map(activate[layer.activation]);
  }
  return { probability: activate.sigmoid(values[0] ?? Number.NaN), peak };
}
