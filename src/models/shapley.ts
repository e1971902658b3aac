/**
 * Shapley values of one row's logit against background rows (interventional: inputs outside a coalition take a background row's
 * values). Exact over all coalitions where that fits the budget; else by permutation sampling (Castro, Gómez and Tejada 2009;
 * Štrumbelj and Kononenko 2014), each permutation together with its reverse (antithetic: Mitchell et al. 2022). A permutation's
 * steps telescope from the background row to the row, so base + contributions = logit holds for samples too. What differs
 * from no background row has no part in it, which keeps "exact" in reach.
 */
import type { BoundModel } from './types.ts';
import { shuffle, uniform } from './training/random.ts';

export interface ShapleyOptions {
  /** Rows that the model may score for one explanation. */
  readonly evaluationsMax: number;
  readonly seed: number;
}

export interface Attribution {
  readonly method: 'exact' | 'sampled';
  /** Mean logit of the background. */
  readonly base: number;
  readonly logit: number;
  /** One an input, in the card's order; base + their sum = logit. */
  readonly contributions: Float64Array;
  /** Of each contribution, over the pairs of permutations; 0 where exact. */
  readonly standardErrors: Float64Array;
  readonly backgroundRows: number;
  /** Pairs of permutations; 0 where exact. */
  readonly pairs: number;
  /** Rows scored. */
  readonly evaluations: number;
}

/** Rows scored between two pauses: some hundred microseconds of the kernel. */
const blockRows = 256;
/** Coalitions are bits of one integer. */
const exactInputsMax = 20;

/** Scores rows that are made one by one, in blocks, pausing after each. */
function* scoreRows(
  model: BoundModel,
  count: number,
  fill: (row: number, target: Float64Array) => void,
): Generator<undefined, Float64Array> {
  const width = model.inputs.length;
  const logits = new Float64Array(count);
  for (let first = 0; first < count; first += blockRows) {
    const rows = Math.min(blockRows, count - first);
    const block = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) fill(first + row, block.subarray(row * width, (row + 1) * width));
    logits.set(model.logits(block), first);
    yield undefined;
  }
  return logits;
}

/** Inputs in which the row differs from at least one row of the background. */
function activeInputs(row: Float64Array, background: readonly Float64Array[]): Int32Array {
  const all = Int32Array.from(row, (_, input) => input);
  return all.filter((input) => background.some((other) => !Object.is(other[input], row[input])));
}

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** |S|! (n − |S| − 1)! / n! for each size of S. */
function coalitionWeights(n: number): Float64Array {
  const weights = new Float64Array(n);
  let weight = 1 / n;
  for (let size = 0; size < n; size++) {
    weights[size] = weight;
    weight = (weight * (size + 1)) / (n - size - 1);
  }
  return weights;
}

function sizeOf(coalition: number): number {
  let size = 0;
  for (let bits = coalition; bits !== 0; bits &= bits - 1) size++;
  return size;
}

/** Contributions of the active inputs from the mean logit of every coalition. */
function exactContributions(active: number, values: Float64Array): Float64Array {
  const weights = coalitionWeights(active);
  const contributions = new Float64Array(active);
  for (let coalition = 0; coalition < values.length; coalition++) {
    const weight = weights[sizeOf(coalition)] ?? 0;
    for (let i = 0; i < active; i++) {
      if ((coalition >> i) & 1) continue;
      const gain = (values[coalition | (1 << i)] ?? 0) - (values[coalition] ?? 0);
      contributions[i] = (contributions[i] ?? 0) + weight * gain;
    }
  }
  return contributions;
}

function* exact(model: BoundModel, row: Float64Array, active: Int32Array): Generator<undefined, Attribution> {
  const { background } = model;
  const coalitions = 2 ** active.length;
  const logits = yield* scoreRows(model, coalitions * background.length, (at, target) => {
    const coalition = Math.floor(at / background.length);
    target.set(background[at % background.length] ?? row);
    active.forEach((input, i) => {
      if ((coalition >> i) & 1) target[input] = row[input] ?? Number.NaN;
    });
  });
  const values = new Float64Array(coalitions);
  for (let coalition = 0; coalition < coalitions; coalition++)
    values[coalition] = mean(logits.subarray(coalition * background.length, (coalition + 1) * background.length));
  const contributions = new Float64Array(row.length);
  exactContributions(active.length, values).forEach((value, i) => {
    contributions[active[i] ?? 0] = value;
  });
  return {
    method: 'exact',
    base: values[0] ?? Number.NaN,
    logit: values[coalitions - 1] ?? Number.NaN,
    contributions,
    standardErrors: new Float64Array(row.length),
    backgroundRows: background.length,
    pairs: 0,
    evaluations: logits.length,
  };
}

/** One permutation and its reverse, from a background row to the row: (n + 1) + (n − 1) rows, the ends being the same. */
function* pairContributions(
  model: BoundModel,
  row: Float64Array,
  from: Float64Array,
  order: Int32Array,
): Generator<undefined, { readonly start: number; readonly gains: Float64Array }> {
  const n = order.length;
  const logits = yield* scoreRows(model, 2 * n, (at, target) => {
    target.set(from);
    const forward = at <= n;
    const taken = forward ? at : at - n;
    for (let i = 0; i < taken; i++) {
      const input = order[forward ? i : n - 1 - i] ?? 0;
      target[input] = row[input] ?? Number.NaN;
    }
  });
  const gains = new Float64Array(row.length);
  const start = logits[0] ?? Number.NaN;
  const end = logits[n] ?? Number.NaN;
  for (let i = 0; i < n; i++) {
    const forward = order[i] ?? 0;
    gains[forward] = (gains[forward] ?? 0) + ((logits[i + 1] ?? 0) - (logits[i] ?? 0)) / 2;
    const backward = order[n - 1 - i] ?? 0;
    const before = i === 0 ? start : (logits[n + i] ?? 0);
    const after = i === n - 1 ? end : (logits[n + i + 1] ?? 0);
    gains[backward] = (gains[backward] ?? 0) + (after - before) / 2;
  }
  return { start, gains };
}

function* sampled(
  model: BoundModel,
  row: Float64Array,
  active: Int32Array,
  { evaluationsMax, seed }: ShapleyOptions,
): Generator<undefined, Attribution> {
  const { background } = model;
  const random = uniform(seed);
  const pairRows = 2 * active.length;
  // Every background row is walked from equally often: only so is the base the mean over the background.
  const rounds = Math.max(1, Math.floor(evaluationsMax / (pairRows * background.length)));
  const pairs = rounds * background.length;
  const sums = new Float64Array(row.length);
  const squares = new Float64Array(row.length);
  let starts = 0;
  for (let pair = 0; pair < pairs; pair++) {
    const order = Int32Array.from(active);
    shuffle(order, random);
    const { start, gains } = yield* pairContributions(model, row, background[pair % background.length] ?? row, order);
    starts += start;
    gains.forEach((gain, input) => {
      sums[input] = (sums[input] ?? 0) + gain;
      squares[input] = (squares[input] ?? 0) + gain * gain;
    });
  }
  const logit = model.logits(row)[0] ?? Number.NaN;
  return {
    method: 'sampled',
    base: starts / pairs,
    logit,
    contributions: sums.map((sum) => sum / pairs),
    standardErrors: squares.map((square, input) => {
      const average = (sums[input] ?? 0) / pairs;
      return Math.sqrt(Math.max(0, square / pairs - average * average) / Math.max(1, pairs - 1));
    }),
    backgroundRows: background.length,
    pairs,
    evaluations: pairs * pairRows + 1,
  };
}

/**
 * Pauses (yields) after each block of rows, so that whoever runs it can let others have their turn.
 * @param row as BoundModel.gather gives it
 */
export function* shapley(
  model: BoundModel,
  row: Float64Array,
  options: ShapleyOptions,
): Generator<undefined, Attribution> {
  const active = activeInputs(row, model.background);
  const exactRows = 2 ** active.length * model.background.length;
  if (active.length <= exactInputsMax && exactRows <= options.evaluationsMax) return yield* exact(model, row, active);
  return yield* sampled(model, row, active, options);
}
