/**
 * What a model's inputs and scores looked like where it was trained: bins of about equal mass, and how many rows lay in
 * each. Stored with the model's card, so that monitoring can say how far the payments of today have moved away from it.
 */
import { type Static, Type } from 'typebox';
import { modelInputsMax } from '../bounds.ts';

/** Share of the present rows that a bin is meant to hold: ten bins where no value repeats. */
const binShare = 0.1;
/**
 * Bins of one column. At most ten reach `binShare`; before each there can be one that does not (a value that fills a bin
 * alone ends the one before it), one can be left at the end, and one lies below everything seen in training.
 */
export const referenceBinsMax = 2 / binShare + 2;

const count = Type.Integer({ minimum: 0 });
const counts = Type.Array(count, { minItems: 1, maxItems: referenceBinsMax });

const binsSchema = Type.Object({
  edges: Type.Array(Type.Number(), {
    maxItems: referenceBinsMax - 1,
    description: 'Ascending. Bin i holds values from edges[i − 1] (included) to edges[i]; the first is open below.',
  }),
  counts,
});

const categorySchema = Type.Object({
  fact: Type.String({ minLength: 1 }),
  missing: count,
  counts: Type.Array(count, { minItems: 1, description: 'Of values outside of the vocabulary, then of each in it.' }),
});

export const referenceSchema = Type.Object(
  {
    rows: Type.Integer({ minimum: 1 }),
    inputs: Type.Array(
      Type.Union([
        Type.Object({ fact: Type.String({ minLength: 1 }), missing: count, ...binsSchema.properties }),
        categorySchema,
      ]),
      { maxItems: modelInputsMax },
    ),
    score: binsSchema,
  },
  { description: 'The rows that the model was trained on, as monitoring compares with them.' },
);

/** `counts.length` is `edges.length + 1`. */
export type ReferenceBins = Readonly<Static<typeof binsSchema>>;
export type PopulationReference = Readonly<Static<typeof referenceSchema>>;
export type InputReference = PopulationReference['inputs'][number];

/** One input over all rows: the fact as it is in the frame, before the model's transform. NaN is missing. */
export interface NumericColumn {
  readonly fact: string;
  readonly values: ArrayLike<number>;
}
/** One category over all rows, as codes: 0 missing, 1 other, 2 … the vocabulary. */
export interface CategoryColumn {
  readonly fact: string;
  readonly codes: ArrayLike<number>;
  readonly vocabularySize: number;
}
export type ReferenceColumn = NumericColumn | CategoryColumn;

/** The bin of a value: how many edges lie at it or below. */
function binOf(edges: readonly number[], value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many values are in each bin; NaN in none. */
export function countBins(edges: readonly number[], values: ArrayLike<number>): number[] {
  const found = new Array<number>(edges.length + 1).fill(0);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isNaN(value)) (found[binOf(edges, value)] as number)++;
  }
  return found;
}

/**
 * Where bins begin, among sorted values: a bin ends when it has its share of the rows, and where a value comes that fills
 * one alone, so that a heavy value (no payment before: 0) is not mixed with its neighbours. The first edge is the smallest
 * value: what lies below was never seen.
 */
function edgesOf(sorted: Float64Array): number[] {
  const target = sorted.length * binShare;
  const edges: number[] = [];
  let held = Number.POSITIVE_INFINITY;
  for (let i = 0; i < sorted.length; ) {
    const value = sorted[i] as number;
    let end = i + 1;
    while (sorted[end] === value) end++;
    if (held >= target || end - i >= target) {
      edges.push(value);
      held = 0;
    }
    held += end - i;
    i = end;
  }
  return edges;
}

/** Bins of about equal mass over the values that are there. */
export function binsOf(values: ArrayLike<number>): ReferenceBins {
  const sorted = Float64Array.from(values)
    .filter((value) => !Number.isNaN(value))
    .sort();
  // -0 and 0 are one value, and JSON knows only one of them.
  const edges = edgesOf(sorted.map((value) => value + 0));
  return { edges, counts: countBins(edges, values) };
}

function categoryReference({ fact, codes, vocabularySize }: CategoryColumn): InputReference {
  const found = new Array<number>(vocabularySize + 1).fill(0);
  let missing = 0;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    if (code === 0) missing++;
    else (found[code - 1] as number)++;
  }
  return { fact, missing, counts: found };
}

function numericReference({ fact, values }: NumericColumn): InputReference {
  const bins = binsOf(values);
  const present = bins.counts.reduce((sum, one) => sum + one, 0);
  return { fact, missing: values.length - present, ...bins };
}

/**
 * The reference of a model: one column for each of its inputs, in the card's order, and its scores, over the same rows (those
 * it was trained on). Deterministic; the result is plain JSON for the card's `reference`.
 * @throws Error where the columns are of different lengths or there is no row (a fault of the caller).
 */
export function referenceOf(columns: readonly ReferenceColumn[], scores: ArrayLike<number>): PopulationReference {
  const rows = scores.length;
  if (rows === 0) throw new Error('a reference needs at least one row');
  const inputs = columns.map((column) => {
    const length = 'codes' in column ? column.codes.length : column.values.length;
    if (length !== rows) throw new Error(`the column of ${column.fact} has another length than the scores`);
    return 'codes' in column ? categoryReference(column) : numericReference(column);
  });
  return { rows, inputs, score: binsOf(scores) };
}
