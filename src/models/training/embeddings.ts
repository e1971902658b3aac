/**
 * Categories inside the training: each code has a vector (Guo and Berkhahn 2016), which is looked up here, and of which the network
 * sees numbers beside the others. The vectors are parameters like any, behind those of the dense layers.
 */
import type { Parameter } from './optimiser.ts';
import { uniform } from './random.ts';
import type { CategoryTable, EmbeddingShape } from './table.ts';

/** As TF.js's and Keras's own start: codes begin nearly alike, so that a rare one stays near what is usual. */
const startSpread = 0.05;

const embeddingName = (category: number): string => `embedding${category + 1}/embeddings`;
const isEmbedding = ({ name }: Parameter): boolean => name.endsWith('/embeddings');

export interface SplitParameters {
  /** A kernel and a bias for each layer. */
  readonly dense: readonly Parameter[];
  /** One for each category, in the card's order. */
  readonly embeddings: readonly Parameter[];
}

export const splitParameters = (parameters: readonly Parameter[]): SplitParameters => ({
  dense: parameters.filter((parameter) => !isEmbedding(parameter)),
  embeddings: parameters.filter(isEmbedding),
});

/** Numbers that the network gets from all categories of a row. */
export const embeddedWidth = (categories: CategoryTable | undefined): number =>
  (categories?.embeddings ?? []).reduce((sum, { width }) => sum + width, 0);

export function startEmbeddings(shapes: readonly EmbeddingShape[], seed: number): Parameter[] {
  const random = uniform(seed ^ 0x6c078965);
  return shapes.map(({ codes, width }, category) => ({
    name: embeddingName(category),
    shape: [codes, width],
    values: Float32Array.from({ length: codes * width }, () => (random() * 2 - 1) * startSpread),
    decays: true,
  }));
}

/** Writes the vectors of the rows' codes to `into`, [row][stride], from column `offset` on. */
export function gatherEmbedded(
  { embeddings: shapes, codes }: CategoryTable,
  embeddings: readonly Parameter[],
  rows: Int32Array,
  into: Float32Array,
  stride: number,
  offset: number,
): void {
  let column = offset;
  shapes.forEach(({ width }, category) => {
    const { values } = embeddings[category] as Parameter;
    rows.forEach((row, at) => {
      const from = (codes[row * shapes.length + category] as number) * width;
      const to = at * stride + column;
      for (let i = 0; i < width; i++) into[to + i] = values[from + i] as number;
    });
    column += width;
  });
}

/** What the loss says of each code's vector. @param slopes its derivative by the gathered vectors, [row][embedded width] */
export function embeddingGradients(
  { embeddings: shapes, codes }: CategoryTable,
  rows: Int32Array,
  slopes: Float32Array,
): Float32Array[] {
  const stride = slopes.length / rows.length;
  let column = 0;
  return shapes.map(({ codes: count, width }, category) => {
    const gradient = new Float32Array(count * width);
    rows.forEach((row, at) => {
      const to = (codes[row * shapes.length + category] as number) * width;
      const from = at * stride + column;
      for (let i = 0; i < width; i++) gradient[to + i] = (gradient[to + i] as number) + (slopes[from + i] as number);
    });
    column += width;
    return gradient;
  });
}

/**
 * Codes that no row had have learned nothing, and would say whatever they began with: they get the rows' mean vector, so that a
 * text that was never seen counts as the usual one. "Other" is such a code where every text of the rows is in the vocabulary.
 */
export function settleUnseen(
  { embeddings: shapes, codes }: CategoryTable,
  embeddings: readonly Parameter[],
  rows: Int32Array,
): void {
  shapes.forEach(({ codes: count, width }, category) => {
    const { values } = embeddings[category] as Parameter;
    const seen = new Float64Array(count);
    for (const row of rows) (seen[codes[row * shapes.length + category] as number] as number)++;
    const mean = Float64Array.from({ length: width }, (_, i) =>
      seen.reduce((sum, times, code) => sum + (times / rows.length) * (values[code * width + i] as number), 0),
    );
    seen.forEach((times, code) => times === 0 && values.set(mean, code * width));
  });
}
