/**
 * One dense layer over a tile of rows. Every output is bias + x₀w₀ + x₁w₁ + … in this order, one rounding a step, in one
 * lane of its own: which rows share the tile and which units share the vector cannot change a bit of it. Inputs whose weights
 * are zero for all units of a segment are passed over, which changes no bit either: x + 0 is x.
 */
import { FunctionBody } from './encoder.ts';
import type { LayerLayout, SegmentLayout } from './layout.ts';
import { segmentStep as unroll } from './segments.ts';

export interface DenseSource {
  /** Address of the first input of row 0. */
  readonly address: number;
  /** Whether the function's parameter is added to it. */
  readonly moving: boolean;
}

interface Tile {
  readonly rows: number;
  /** Vectors of four units. */
  readonly vectors: number;
}

/** Unit groups that cover the layer: as many accumulators as fit the 16 vector registers beside weights and one input. */
function unitGroups(vectors: number, rows: number): { readonly size: number; readonly count: number }[] {
  const groups: { size: number; count: number }[] = [];
  let rest = vectors;
  for (let size = rows === 1 ? 8 : 2; size >= 1; size = size >> 1) {
    const count = Math.floor(rest / size);
    if (count > 0) groups.push({ size, count });
    rest -= count * size;
  }
  return groups;
}

/** The function (inputOffset) → nothing: `rows` rows of the layer, from `source` to the layer's output area. */
export function denseFunction(
  layer: LayerLayout,
  rows: number,
  source: DenseSource,
  activationIndex: number,
): FunctionBody {
  const f = new FunctionBody(['i32']);
  const base = f.local('i32');
  for (const segment of layer.segments) {
    let firstVector = 0;
    for (const { size, count } of unitGroups(segment.units / 4, rows)) {
      emitGroup(
        f,
        { layer, segment, tile: { rows, vectors: size }, source, activationIndex, base },
        firstVector,
        count,
      );
      firstVector += size * count;
    }
  }
  return f;
}

interface Emission {
  readonly layer: LayerLayout;
  readonly segment: SegmentLayout;
  readonly tile: Tile;
  readonly source: DenseSource;
  readonly activationIndex: number;
  /** The local that holds the tile's first unit, in bytes from the segment's first. */
  readonly base: number;
}

/** `count` tiles side by side, in a loop over the segment's units. */
function emitGroup(f: FunctionBody, emission: Emission, firstVector: number, count: number): void {
  const { tile, base } = emission;
  const start = firstVector * 16;
  f.i32(start).set(base);
  f.loop(() => {
    emitTile(f, emission);
    f.get(base)
      .i32(tile.vectors * 16)
      .op('i32Add')
      .tee(base);
    f.i32(start + count * tile.vectors * 16).op('i32LtU');
  });
}

function emitTile(f: FunctionBody, { layer, segment, tile, source, activationIndex, base }: Emission): void {
  const { rows, vectors } = tile;
  const weightPointer = f.local('i32');
  const inputPointer = f.local('i32');
  const end = f.local('i32');
  const sums = Array.from({ length: rows * vectors }, () => f.local('v128'));
  const loaded = Array.from({ length: rows === 1 ? 0 : vectors }, () => f.local('v128'));
  const input = f.local('v128');
  const sum = (row: number, vector: number) => sums[row * vectors + vector] ?? 0;
  const rowBytes = layer.inputs * 4;
  const unitBytes = segment.units * 4;
  const firstInput = source.address + segment.firstInput * 4;
  const firstUnit = segment.firstUnit * 4;

  for (let vector = 0; vector < vectors; vector++) {
    const at = firstUnit + vector * 16;
    for (let row = 0; row < rows; row++) {
      if (layer.starts === undefined && row > 0) f.get(sum(0, vector));
      else if (layer.starts === undefined) f.get(base).access('v128Load', layer.bias + at);
      else f.get(base).access('v128Load', layer.starts + row * layer.units * 4 + at);
      f.set(sum(row, vector));
    }
  }
  f.get(base).set(weightPointer);
  if (source.moving) f.get(0);
  else f.i32(0);
  f.tee(inputPointer)
    .i32(segment.inputs * 4)
    .op('i32Add')
    .set(end);
  f.loop(() => {
    for (let step = 0; step < unroll; step++) {
      const weightAt = (vector: number) => segment.weights + step * unitBytes + vector * 16;
      loaded.forEach((local, vector) => {
        f.get(weightPointer).access('v128Load', weightAt(vector)).set(local);
      });
      for (let row = 0; row < rows; row++) {
        f.get(inputPointer)
          .access('v128Load32Splat', firstInput + row * rowBytes + step * 4)
          .set(input);
        for (let vector = 0; vector < vectors; vector++) {
          f.get(sum(row, vector)).get(input);
          const local = loaded[vector];
          if (local === undefined) f.get(weightPointer).access('v128Load', weightAt(vector));
          else f.get(local);
          f.op('f32x4Mul', 'f32x4Add').set(sum(row, vector));
        }
      }
    }
    f.get(weightPointer)
      .i32(unroll * unitBytes)
      .op('i32Add')
      .set(weightPointer);
    f.get(inputPointer)
      .i32(unroll * 4)
      .op('i32Add')
      .tee(inputPointer);
    f.get(end).op('i32LtU');
  });
  for (let row = 0; row < rows; row++) {
    for (let vector = 0; vector < vectors; vector++) {
      f.get(base).get(sum(row, vector));
      if (layer.activation === 'relu') f.f32x4(0).op('f32x4Pmax');
      else if (layer.activation !== 'linear') f.call(activationIndex);
      f.access('v128Store', layer.output + row * layer.units * 4 + firstUnit + vector * 16);
    }
  }
}
