/** Where everything of a kernel lies in its memory. All widths are padded to four float32 lanes; the padding is zeros. */
import { kernelBlockRows } from '../bounds.ts';
import type { InputTransform } from '../types.ts';
import type { Activation, DenseLayer } from '../affine.ts';
import type { Network } from '../network.ts';
import { planSegments, type SegmentRange } from './segments.ts';

/** Rows computed together by the wide path; what remains of a block goes one by one. */
export const tileRows = 4;
const lanes = 4;
const pageBytes = 65536;

export interface KernelInput {
  readonly transform: InputTransform;
  readonly missing: number;
}

export interface SegmentLayout extends SegmentRange {
  /** Weights are [input][unit] float32 of the segment alone, so that one vector holds the same input's weights of four units. */
  readonly weights: number;
}

export interface LayerLayout {
  readonly inputs: number;
  readonly units: number;
  readonly activation: Activation;
  /** Byte addresses from here on. */
  readonly segments: readonly SegmentLayout[];
  readonly bias: number;
  /** Where the sums of `tileRows` rows begin, [row][unit]: bias and look-ups added up. Undefined where that is the bias alone. */
  readonly starts: number | undefined;
  /** Activations of `tileRows` rows, [row][unit]. */
  readonly output: number;
}

/** The rows that the codes of one category select, float32 [code][unit] of the layer that reads them. */
export interface TableLayout {
  readonly address: number;
  readonly codes: number;
  readonly rowBytes: number;
}

export interface LookupLayout {
  readonly layer: number;
  /** int32 [row][category]: the address of the selected row, `kernelBlockRows` rows. */
  readonly selected: number;
  readonly tables: readonly TableLayout[];
}

export interface KernelLayout {
  readonly inputs: number;
  readonly inputsPadded: number;
  readonly inputSpecs: readonly KernelInput[];
  readonly scaled: boolean;
  /** Raw facts, float64 [row][input], `kernelBlockRows` rows. */
  readonly facts: number;
  /** Prepared inputs, float32 [row][input]. */
  readonly prepared: number;
  /** float64 [input] each: value where missing; mean, scale and shift of the leading normalisation. */
  readonly missing: number;
  readonly mean: number;
  readonly scale: number;
  readonly shift: number;
  readonly layers: readonly LayerLayout[];
  readonly lookup: LookupLayout | undefined;
  /** float64 [row]. */
  readonly logits: number;
  readonly probabilities: number;
  readonly pages: number;
}

const padded = (width: number) => Math.ceil(width / lanes) * lanes;

const isLookedUp = ({ lookups }: DenseLayer): boolean => lookups !== undefined && lookups.length > 0;

function planLookup({ layers }: Network, take: (bytes: number) => number): LookupLayout | undefined {
  const layer = layers.findIndex(isLookedUp);
  const { lookups = [], units = 0 } = layers[layer] ?? {};
  if (lookups.length === 0) return undefined;
  const rowBytes = padded(units) * 4;
  return {
    layer,
    selected: take(kernelBlockRows * lookups.length * 4),
    tables: lookups.map(({ values }) => {
      const codes = values.length / units;
      return { address: take(codes * rowBytes), codes, rowBytes };
    }),
  };
}

export function planKernel(network: Network, inputSpecs: readonly KernelInput[]): KernelLayout {
  let next = 0;
  /** Areas start on cache lines. */
  const take = (bytes: number): number => {
    const address = next;
    next += Math.ceil(bytes / 64) * 64;
    return address;
  };
  const inputsPadded = padded(network.inputs);
  const rowBytes64 = inputsPadded * 8;
  const layout = {
    inputs: network.inputs,
    inputsPadded,
    inputSpecs,
    scaled: network.scaling !== undefined,
    facts: take(kernelBlockRows * rowBytes64),
    prepared: take(kernelBlockRows * inputsPadded * 4),
    missing: take(rowBytes64),
    mean: take(rowBytes64),
    scale: take(rowBytes64),
    shift: take(rowBytes64),
    layers: network.layers.map((layer: DenseLayer) => ({
      inputs: padded(layer.inputs),
      units: padded(layer.units),
      activation: layer.activation,
      segments: planSegments(layer).map((range) => ({ ...range, weights: take(range.inputs * range.units * 4) })),
      bias: take(padded(layer.units) * 4),
      starts: isLookedUp(layer) ? take(tileRows * padded(layer.units) * 4) : undefined,
      output: take(tileRows * padded(layer.units) * 4),
    })),
    lookup: planLookup(network, take),
    logits: take(kernelBlockRows * 8),
    probabilities: take(kernelBlockRows * 8),
  };
  return { ...layout, pages: Math.ceil(next / pageBytes) };
}

/** Writes the constants of the network into the memory: rounded to float32 here and nowhere else. */
export function fillMemory(memory: ArrayBuffer, layout: KernelLayout, network: Network): void {
  const doubles = (address: number, values: ArrayLike<number>) =>
    new Float64Array(memory, address, layout.inputsPadded).set(values);
  doubles(
    layout.missing,
    layout.inputSpecs.map((input) => input.missing),
  );
  if (network.scaling) {
    doubles(layout.mean, network.scaling.mean);
    doubles(layout.scale, network.scaling.scale);
    doubles(layout.shift, network.scaling.shift);
  }
  network.layers.forEach((layer, index) => {
    const at = layout.layers[index];
    if (at === undefined) throw new Error('the layout is of another network');
    new Float32Array(memory, at.bias, layer.units).set(layer.bias);
    for (const segment of at.segments) fillSegment(memory, segment, layer);
    if (layout.lookup?.layer === index) fillTables(memory, layout.lookup.tables, layer);
  });
}

function fillSegment(memory: ArrayBuffer, segment: SegmentLayout, layer: DenseLayer): void {
  const { firstInput, firstUnit, units } = segment;
  const lastUnit = Math.min(layer.units, firstUnit + units);
  const inputs = Math.min(layer.inputs - firstInput, segment.inputs);
  for (let input = 0; input < inputs; input++) {
    const row = (firstInput + input) * layer.units;
    const weights = layer.kernel.subarray(row + firstUnit, row + lastUnit);
    new Float32Array(memory, segment.weights + input * units * 4, weights.length).set(weights);
  }
}

function fillTables(memory: ArrayBuffer, tables: readonly TableLayout[], { lookups, units }: DenseLayer): void {
  tables.forEach(({ address, codes, rowBytes }, category) => {
    const values = lookups?.[category]?.values ?? new Float64Array(0);
    for (let code = 0; code < codes; code++)
      new Float32Array(memory, address + code * rowBytes, units).set(values.subarray(code * units, (code + 1) * units));
  });
}
