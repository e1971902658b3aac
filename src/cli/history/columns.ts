/** Columns of a history that grow by chunks: no array for a row, no copy of everything when one more row comes. */
import { failed } from '../../config/exit.ts';

/** Most rows that are kept, whatever their width. */
const historyRowsMax = 20_000_000;
/** Most bytes that their facts take. */
const historyBytesMax = 1024 * 1024 * 1024;
/** Rows of a chunk; a power of two. */
const chunkShift = 16;
const chunkRows = 1 << chunkShift;
const chunkMask = chunkRows - 1;

type Numbers = Float64Array | Float32Array | Int32Array | Uint16Array | Uint8Array;

/** One number a row. `done` gives the rows as one array. */
export class GrowingColumn<T extends Numbers> {
  readonly #make: (length: number) => T;
  #values: T;
  length = 0;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#values = make(chunkRows);
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = this.#make(2 * this.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  /** Keeps the rows that it says, in their order. */
  keepOnly(isKept: (row: number) => boolean): void {
    let kept = 0;
    for (let row = 0; row < this.length; row++) if (isKept(row)) this.#values[kept++] = this.#values[row] as number;
    this.length = kept;
  }

  at(row: number): number {
    return this.#values[row] as number;
  }

  done(): T {
    return this.#values.subarray(0, this.length) as T;
  }
}

export type FactPrecision = 'float64' | 'float32';

/** The facts of the kept rows, `width` numbers each, NaN where missing. */
export class FactTable {
  readonly width: number;
  readonly precision: FactPrecision;
  readonly #chunks: (Float64Array | Float32Array)[] = [];
  #rows = 0;

  constructor(width: number, precision: FactPrecision = 'float64') {
    this.width = width;
    this.precision = precision;
  }

  get rows(): number {
    return this.#rows;
  }

  /** @throws CommandError (exit code 1) where the bounds are reached */
  push(columns: readonly Float64Array[], row: number): void {
    const { width } = this;
    const at = (this.#rows & chunkMask) * width;
    if (at === 0 && (this.#rows & chunkMask) === 0) this.#grow();
    const chunk = this.#chunks[this.#rows >> chunkShift] as Float64Array;
    for (let fact = 0; fact < width; fact++) chunk[at + fact] = (columns[fact] as Float64Array)[row] as number;
    this.#rows++;
  }

  value(row: number, fact: number): number {
    const chunk = this.#chunks[row >> chunkShift] as Float64Array;
    return chunk[(row & chunkMask) * this.width + fact] as number;
  }

  /** Keeps the rows that it says, in their order. */
  keepOnly(isKept: (row: number) => boolean): void {
    const { width } = this;
    let kept = 0;
    for (let row = 0; row < this.#rows; row++) {
      if (!isKept(row)) continue;
      const from = (row & chunkMask) * width;
      const source = this.#chunks[row >> chunkShift] as Float64Array;
      (this.#chunks[kept >> chunkShift] as Float64Array).set(
        source.subarray(from, from + width),
        (kept & chunkMask) * width,
      );
      kept++;
    }
    this.#rows = kept;
    this.#chunks.length = Math.ceil(kept / chunkRows);
  }

  /** Writes the facts of the rows, one row after another, to `into`. */
  copyRows(rows: ArrayLike<number>, into: Float64Array | Float32Array): void {
    const { width } = this;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      const chunk = this.#chunks[row >> chunkShift] as Float64Array;
      const from = (row & chunkMask) * width;
      for (let fact = 0; fact < width; fact++) into[i * width + fact] = chunk[from + fact] as number;
    }
  }

  #grow(): void {
    const bytes = this.precision === 'float64' ? 8 : 4;
    const chunkBytes = chunkRows * this.width * bytes;
    if (
      this.#rows >= historyRowsMax ||
      (this.#chunks.length + 1) * chunkBytes > Math.max(historyBytesMax, chunkBytes)
    ) {
      throw failed(
        `${this.#rows} payments with ${this.width} facts each are as many as are kept at once; take fewer days or fewer inputs.`,
      );
    }
    this.#chunks.push(
      this.precision === 'float64'
        ? new Float64Array(chunkRows * this.width)
        : new Float32Array(chunkRows * this.width),
    );
  }
}
