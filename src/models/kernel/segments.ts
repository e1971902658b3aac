/**
 * Which inputs each run of a dense layer's units really reads. An ensemble folded into one network has block-diagonal layers,
 * and a piecewise encoding has units of one input each: passing over their zeros makes such a layer cost its blocks and no more.
 */
import type { DenseLayer } from '../affine.ts';

/** Inputs taken in one turn of the kernel's loop; ranges are whole multiples of it. */
export const segmentStep = 4;
const lanes = 4;
/** Code is made for every segment; beyond this, neighbours are joined. */
const segmentsMax = 32;
/** A split must save this many multiplications of four units, or it costs more in loops than it saves. */
const savedProductsMin = 24;

export interface SegmentRange {
  readonly firstInput: number;
  /** A multiple of `segmentStep`, at least one of it. */
  readonly inputs: number;
  readonly firstUnit: number;
  /** A multiple of four. */
  readonly units: number;
}

const cost = ({ inputs, units }: SegmentRange): number => (inputs * units) / lanes;

function joined(a: SegmentRange, b: SegmentRange): SegmentRange {
  const firstInput = Math.min(a.firstInput, b.firstInput);
  const end = Math.max(a.firstInput + a.inputs, b.firstInput + b.inputs);
  return { firstInput, inputs: end - firstInput, firstUnit: a.firstUnit, units: a.units + b.units };
}

/** The inputs that any of the four units from `firstUnit` on has a weight for. */
function vectorRange({ kernel, inputs, units }: DenseLayer, firstUnit: number): SegmentRange {
  const end = Math.min(units, firstUnit + lanes);
  let first = inputs;
  let last = -1;
  for (let input = 0; input < inputs; input++) {
    for (let unit = firstUnit; unit < end; unit++) {
      if (Math.fround(kernel[input * units + unit] ?? 0) === 0) continue;
      first = Math.min(first, input);
      last = input;
    }
  }
  const firstInput = last < 0 ? 0 : Math.floor(first / segmentStep) * segmentStep;
  const past = Math.max(segmentStep, Math.ceil((last + 1) / segmentStep) * segmentStep);
  return { firstInput, inputs: past - firstInput, firstUnit, units: lanes };
}

/** Where joining neighbours costs least, and how much. */
function cheapestJoin(segments: readonly SegmentRange[]): { readonly at: number; readonly extra: number } {
  let best = { at: -1, extra: Number.POSITIVE_INFINITY };
  for (let at = 0; at + 1 < segments.length; at++) {
    const [a, b] = segments.slice(at, at + 2) as [SegmentRange, SegmentRange];
    const extra = cost(joined(a, b)) - cost(a) - cost(b);
    if (extra < best.extra) best = { at, extra };
  }
  return best;
}

/** The layer's units in runs, in order, each with the inputs it reads; every unit is in one, and no weight is outside. */
export function planSegments(layer: DenseLayer): readonly SegmentRange[] {
  const segments: SegmentRange[] = [];
  for (let unit = 0; unit < layer.units; unit += lanes) {
    const range = vectorRange(layer, unit);
    const before = segments[segments.length - 1];
    if (before !== undefined && before.firstInput === range.firstInput && before.inputs === range.inputs)
      segments[segments.length - 1] = joined(before, range);
    else segments.push(range);
  }
  for (;;) {
    const { at, extra } = cheapestJoin(segments);
    if (at < 0 || (segments.length <= segmentsMax && extra > savedProductsMin)) return segments;
    const [a, b] = segments.slice(at, at + 2) as [SegmentRange, SegmentRange];
    segments.splice(at, 2, joined(a, b));
  }
}
