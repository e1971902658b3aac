/**
 * A functional model in the shape that the kernel covers: a chain over the numeric input; each category's Embedding and
 * Flatten; one Concatenate of them; a chain to the end. The layer that reads the concatenation is multiplied out over each
 * embedding's rows, so that an embedded category costs one look-up and an addition.
 */
import { type Affine, type Lookup, Uncovered } from './affine.ts';
import { addDense, addLayer, affineOf, type Building, denseWeights, idle, startBuilding } from './building.ts';
import { ModelError } from './errors.ts';
import type { Topology, TopologyLayer } from './topology.ts';
import { layerWeight, type Weight } from './weights.ts';

interface Chain {
  readonly kind: 'chain';
  readonly building: Building;
}
interface Code {
  readonly kind: 'code';
  readonly category: number;
}
/** `vectors[code * width + column]`. */
interface Embedded {
  readonly kind: 'embedded';
  readonly category: number;
  readonly width: number;
  readonly vectors: Float64Array;
}
interface Joined {
  readonly kind: 'joined';
  readonly parts: readonly (Chain | Embedded)[];
}
type Value = Chain | Code | Embedded | Joined;

interface Tools {
  readonly weights: ReadonlyMap<string, Weight>;
  readonly categorySizes: readonly number[];
}

const widthOf = (part: Chain | Embedded): number => (part.kind === 'chain' ? part.building.width : part.width);

function embed(layer: TopologyLayer, { category }: Code, { weights, categorySizes }: Tools): Embedded {
  const width = layer.config['output_dim'];
  const rows = layer.config['input_dim'];
  if (typeof width !== 'number' || typeof rows !== 'number')
    throw new ModelError('model_topology', `Layer ${layer.name} states no input_dim and output_dim.`);
  const needed = categorySizes[category] ?? 0;
  if (rows < needed) {
    throw new ModelError(
      'model_inputs',
      `Layer ${layer.name} embeds ${rows} codes; the card's vocabulary needs ${needed}: missing, other and its texts.`,
    );
  }
  const vectors = Float64Array.from(layerWeight(weights, layer.name, 'embeddings', [rows, width]));
  return { kind: 'embedded', category, width, vectors: vectors.slice(0, needed * width) };
}

function slice({ mean, scale, shift }: Affine, from: number, to: number): Affine {
  return { mean: mean.subarray(from, to), scale: scale.subarray(from, to), shift: shift.subarray(from, to) };
}

/** A normalisation of the concatenation is one of its parts. */
function normaliseParts(layer: TopologyLayer, { parts }: Joined, { weights }: Tools): Joined {
  const affine = affineOf(
    layer,
    parts.reduce((sum, part) => sum + widthOf(part), 0),
    weights,
  );
  let from = 0;
  const after = parts.map((part): Chain | Embedded => {
    const own = slice(affine, from, (from += widthOf(part)));
    if (part.kind === 'chain') throw new Uncovered(`layer ${layer.name} normalises the concatenated inputs`);
    const { width } = part;
    const vectors = part.vectors.map((value, i) => {
      const column = i % width;
      return (value - (own.mean[column] ?? 0)) * (own.scale[column] ?? 0) + (own.shift[column] ?? 0);
    });
    return { ...part, vectors };
  });
  return { kind: 'joined', parts: after };
}

/** Embedding × the rows of the kernel that read it. */
function lookup({ category, width, vectors }: Embedded, rows: Float64Array, units: number): Lookup {
  const values = new Float64Array((vectors.length / width) * units);
  for (let at = 0; at < values.length; at++) {
    const [code, unit] = [Math.floor(at / units), at % units];
    let sum = 0;
    for (let i = 0; i < width; i++) sum += (vectors[code * width + i] ?? 0) * (rows[i * units + unit] ?? 0);
    values[at] = sum;
  }
  return { category, values };
}

function readJoined(layer: TopologyLayer, { parts }: Joined, { weights }: Tools): Chain {
  const { kernel, bias } = denseWeights(
    layer,
    parts.reduce((sum, part) => sum + widthOf(part), 0),
    weights,
  );
  const units = bias.length;
  const lookups: Lookup[] = [];
  let numeric: { building: Building; rows: Float64Array } | undefined;
  let from = 0;
  for (const part of parts) {
    const rows = kernel.slice(from * units, (from += widthOf(part)) * units);
    if (part.kind === 'embedded') lookups.push(lookup(part, rows, units));
    else numeric = { building: part.building, rows };
  }
  if (numeric === undefined) throw new Uncovered('the model has no numeric input');
  lookups.sort((a, b) => a.category - b.category);
  addDense(numeric.building, layer, { kernel: numeric.rows, bias }, lookups);
  return { kind: 'chain', building: numeric.building };
}

function join(layer: TopologyLayer, values: readonly Value[]): Joined {
  const parts = values.flatMap((value): readonly (Chain | Embedded)[] => {
    if (value.kind === 'code') throw new Uncovered(`layer ${layer.name} joins a code`);
    return value.kind === 'joined' ? value.parts : [value];
  });
  if (parts.filter(({ kind }) => kind === 'chain').length !== 1)
    throw new Uncovered(`layer ${layer.name} joins other than one chain of numbers with embeddings`);
  return { kind: 'joined', parts };
}

function applyOne(layer: TopologyLayer, value: Value, tools: Tools): Value {
  const { className } = layer;
  if (idle.has(className)) return value;
  switch (value.kind) {
    case 'chain':
      addLayer(value.building, layer, tools.weights);
      return value;
    case 'code':
      if (className !== 'Embedding') throw new Uncovered(`layer ${layer.name} does not embed its code`);
      return embed(layer, value, tools);
    case 'embedded':
      if (className === 'Flatten' || className === 'Reshape') return value;
      return (normaliseParts(layer, { kind: 'joined', parts: [value] }, tools).parts[0] ?? value) satisfies Value;
    case 'joined':
      return className === 'Dense' ? readJoined(layer, value, tools) : normaliseParts(layer, value, tools);
  }
}

function inputValue(position: number, inputs: number): Value {
  if (position === 0) return { kind: 'chain', building: startBuilding(inputs) };
  return { kind: 'code', category: position - 1 };
}

/** Every layer's output is read once: a chain under construction must not be shared. */
function assertReadOnce({ layers }: Topology): void {
  const readers = layers.flatMap(({ inbound }) => inbound ?? []);
  if (new Set(readers).size !== readers.length) throw new Uncovered('the output of a layer is read twice');
}

/** @throws Uncovered where the kernel cannot run the graph, ModelError where it is faulty */
export function buildGraph(
  topology: Topology,
  inputs: number,
  categorySizes: readonly number[],
  weights: ReadonlyMap<string, Weight>,
): Building {
  assertReadOnce(topology);
  if (topology.inputs.length !== categorySizes.length + 1 || topology.outputs.length !== 1)
    throw new Uncovered(`the graph has ${topology.inputs.length} inputs and ${topology.outputs.length} outputs`);
  const values = new Map<string, Value>();
  const waiting = new Set(topology.layers);
  while (waiting.size > 0) {
    const before = waiting.size;
    for (const layer of waiting) {
      const value = evaluate(layer, values, topology.inputs, inputs, { weights, categorySizes });
      if (value === undefined) continue;
      values.set(layer.name, value);
      waiting.delete(layer);
    }
    if (waiting.size === before) throw new Uncovered('the layers of the graph do not follow from its inputs');
  }
  const output = values.get(topology.outputs[0] ?? '');
  if (output?.kind !== 'chain') throw new Uncovered('the graph does not end in a chain of layers');
  const read = output.building.layers.map(({ lookups }) => lookups?.length ?? 0).filter((count) => count > 0);
  if (categorySizes.length > 0 && (read.length !== 1 || read[0] !== categorySizes.length))
    throw new Uncovered('the categories are not all read by one layer');
  return output.building;
}

/** @returns undefined while the layer's own inputs are not known. */
function evaluate(
  layer: TopologyLayer,
  values: ReadonlyMap<string, Value>,
  inputNames: readonly string[],
  inputs: number,
  tools: Tools,
): Value | undefined {
  const position = inputNames.indexOf(layer.name);
  if (position >= 0) return inputValue(position, inputs);
  if (layer.inbound === undefined) throw new Uncovered(`layer ${layer.name} is connected in a form that is not known`);
  const taken = layer.inbound.flatMap((name) => values.get(name) ?? []);
  const [first] = taken;
  if (first === undefined || taken.length !== layer.inbound.length) return undefined;
  if (layer.className === 'Concatenate') return join(layer, taken);
  if (taken.length > 1) throw new Uncovered(`layer ${layer.name} is a ${layer.className}`);
  return applyOne(layer, first, tools);
}
