/**
 * Several networks of one shape as one: the hidden layers side by side (the first takes all inputs, those after it are
 * block-diagonal), the last layer averages the logits. Calibration, affine in the logit, goes into that layer too. Each member's
 * vectors of a category lie side by side in one embedding, and only its own units read them.
 */
import { splitParameters } from './embeddings.ts';
import type { Parameter } from './optimiser.ts';
import type { Calibration } from './platt.ts';

interface Layer {
  readonly kernel: Parameter;
  readonly bias: Parameter;
}

function layersOf(parameters: readonly Parameter[]): Layer[] {
  return Array.from({ length: parameters.length / 2 }, (_, at) => {
    const [kernel, bias] = [parameters[2 * at], parameters[2 * at + 1]];
    if (kernel === undefined || bias === undefined) throw new Error('a layer has a kernel and a bias');
    return { kernel, bias };
  });
}

/**
 * Where the first layer's inputs of each member are among the folded inputs: the numbers are shared; then, category by category,
 * the vectors of all members. `places[member][input]`.
 */
function inputPlaces(inputs: number, widths: readonly number[], members: number): Int32Array[] {
  const numeric = inputs - widths.reduce((sum, width) => sum + width, 0);
  return Array.from({ length: members }, (_, member) => {
    const places = Array.from({ length: numeric }, (__, input) => input);
    let from = numeric;
    for (const width of widths) {
      for (let i = 0; i < width; i++) places.push(from + member * width + i);
      from += members * width;
    }
    return Int32Array.from(places);
  });
}

/** Inputs of a layer behind the first: each member's own. */
const ownPlaces = (inputs: number, members: number): Int32Array[] =>
  Array.from({ length: members }, (_, member) => Int32Array.from({ length: inputs }, (__, i) => member * inputs + i));

const rowsOf = (places: readonly Int32Array[]): number => Math.max(...places.map((some) => some.at(-1) ?? -1)) + 1;

/** The members' layers of one depth as one layer. */
function joined(layers: readonly Layer[], places: readonly Int32Array[]): Parameter[] {
  const { kernel: first, bias } = layers[0] as Layer;
  const [, units = 0] = first.shape;
  const rows = rowsOf(places);
  const columns = units * layers.length;
  const kernel = new Float32Array(rows * columns);
  const biases = new Float32Array(columns);
  layers.forEach((layer, member) => {
    places[member]?.forEach((row, input) => {
      kernel.set(layer.kernel.values.subarray(input * units, (input + 1) * units), row * columns + member * units);
    });
    biases.set(layer.bias.values, member * units);
  });
  return [
    { ...first, shape: [rows, columns], values: kernel },
    { ...bias, shape: [columns], values: biases },
  ];
}

/** The members' outputs as one logit: slope × their mean + offset. */
function output(layers: readonly Layer[], places: readonly Int32Array[], { slope, offset }: Calibration): Parameter[] {
  const { kernel: first, bias } = layers[0] as Layer;
  const members = layers.length;
  const sums = new Float64Array(rowsOf(places));
  layers.forEach((layer, member) => {
    places[member]?.forEach((row, input) => {
      sums[row] = (sums[row] ?? 0) + (layer.kernel.values[input] ?? 0);
    });
  });
  const mean = layers.reduce((sum, layer) => sum + (layer.bias.values[0] ?? 0), 0) / members;
  return [
    { ...first, shape: [sums.length, 1], values: Float32Array.from(sums, (sum) => (slope * sum) / members) },
    { ...bias, shape: [1], values: Float32Array.of(slope * mean + offset) },
  ];
}

/** The members' vectors of one category, side by side. */
function joinedEmbedding(members: readonly Parameter[]): Parameter {
  const [first] = members as [Parameter];
  const [codes = 0, width = 0] = first.shape;
  const columns = width * members.length;
  const values = new Float32Array(codes * columns);
  members.forEach((member, at) => {
    for (let code = 0; code < codes; code++)
      values.set(member.values.subarray(code * width, (code + 1) * width), code * columns + at * width);
  });
  return { ...first, shape: [codes, columns], values };
}

/** @param members parameters of networks of one shape, as `fit` gives them */
export function foldEnsemble(members: readonly (readonly Parameter[])[], calibration: Calibration): Parameter[] {
  const split = members.map(splitParameters);
  const all = split.map(({ dense }) => layersOf(dense));
  const embeddings = (split[0]?.embeddings ?? []).map((_, category) =>
    split.map((member) => member.embeddings[category] as Parameter),
  );
  const widths = embeddings.map(([first]) => first?.shape[1] ?? 0);
  const depth = all[0]?.length ?? 0;
  const dense = Array.from({ length: depth }, (_, at) => {
    const layers = all.map((member) => member[at] as Layer);
    const inputs = layers[0]?.kernel.shape[0] ?? 0;
    const places = at === 0 ? inputPlaces(inputs, widths, members.length) : ownPlaces(inputs, members.length);
    return at === depth - 1 ? output(layers, places, calibration) : joined(layers, places);
  }).flat();
  return [...dense, ...embeddings.map(joinedEmbedding)];
}
