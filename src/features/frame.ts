/**
 * A frame is one micro-batch as columns: rules and models read frames, never objects.
 * Numeric columns: NaN is "missing". Categorical columns: code 0 is "missing", 1 is "some other value",
 * 2… are the literals of the release's vocabulary, in order.
 */
export const codeMissing = 0;
export const codeOther = 1;
export const codeFirstLiteral = 2;

export type Literal = string | number | boolean;

export interface CategoricalColumn {
  readonly name: string;
  readonly vocabulary: readonly Literal[];
}

/** The columns of a release. The release's features are numeric columns 0 … featureCount − 1, in program order. */
export interface FrameLayout {
  readonly numeric: readonly string[];
  readonly categorical: readonly CategoricalColumn[];
  readonly featureCount: number;
}

/** Rows a frame can hold; the largest micro-batch of the pipeline. */
export const frameRowsMax = 512;

export class Frame {
  readonly layout: FrameLayout;
  readonly capacity: number;
  readonly shared: SharedArrayBuffer;
  /** One column each, `capacity` long. */
  readonly numbers: readonly Float64Array[];
  readonly codes: readonly Int32Array[];
  rows = 0;

  /** @param shared a buffer made by another frame of the same layout and capacity (to view it from a worker). */
  constructor(layout: FrameLayout, capacity: number, shared?: SharedArrayBuffer) {
    const numericBytes = layout.numeric.length * capacity * 8;
    const totalBytes = numericBytes + layout.categorical.length * capacity * 4;
    this.layout = layout;
    this.capacity = capacity;
    this.shared = shared ?? new SharedArrayBuffer(totalBytes);
    if (this.shared.byteLength !== totalBytes) throw new Error('frame buffer does not fit the layout');
    this.numbers = layout.numeric.map((_, i) => new Float64Array(this.shared, i * capacity * 8, capacity));
    this.codes = layout.categorical.map(
      (_, i) => new Int32Array(this.shared, numericBytes + i * capacity * 4, capacity),
    );
  }
}

/** Features of a batch, row-major: `values[row * featureCount + feature]`; `bounds` is 0 where the value is exact. */
export interface FeatureMatrix {
  readonly featureCount: number;
  readonly values: Float64Array;
  readonly bounds: Float64Array;
}

export function createFeatureMatrix(featureCount: number, rowsMax: number): FeatureMatrix {
  return {
    featureCount,
    values: new Float64Array(featureCount * rowsMax),
    bounds: new Float64Array(featureCount * rowsMax),
  };
}
