/**
 * Sums of decision trees, as XGBoost and LightGBM make them. Comparisons are of float32 numbers, as where the trees were trained;
 * leaves are added in float64 in the order of the trees, so that the same row has the same bits everywhere.
 */
import { sigmoid } from './arithmetic.ts';
import { ModelError } from './errors.ts';
import type { ModelArtefact } from './types.ts';
import { decodeWeights } from './weights.ts';

export const treeModes = [
  'LEAF',
  'BRANCH_LEQ',
  'BRANCH_LT',
  'BRANCH_GTE',
  'BRANCH_GT',
  'BRANCH_EQ',
  'BRANCH_NEQ',
] as const;
const [leafMode, lessOrEqual, less, greaterOrEqual, greater, equal] = [0, 1, 2, 3, 4, 5] as const;

const columns = ['mode', 'feature', 'threshold', 'whenTrue', 'whenFalse', 'missingTrue', 'value'] as const;
type Column = (typeof columns)[number];

/** One number a node in each column; children are indexes of nodes and lie behind their parent. */
export type Trees = Readonly<Record<Column, Float32Array>> & {
  /** `logistic`: the sum is the logit. `none`: it is the probability. */
  readonly transform: 'logistic' | 'none';
  readonly base: number;
  readonly roots: Float32Array;
};

const className = 'TreeEnsemble';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

export function isTreeTopology(topology: unknown): boolean {
  return isRecord(topology) && topology['class_name'] === className;
}

interface TreeConfig {
  readonly transform: Trees['transform'];
  readonly base: number;
  /** Positions of inputs whose missing facts go down the trees as missing, instead of as the card's value. */
  readonly keepMissing: readonly number[];
}

function readConfig(topology: unknown): TreeConfig {
  const config = isRecord(topology) && isRecord(topology['config']) ? topology['config'] : {};
  const { transform, base, keepMissing } = config;
  if (transform !== 'logistic' && transform !== 'none') throw faulty('they do not say what their sum means');
  if (typeof base !== 'number' || !Number.isFinite(base)) throw faulty('their sum begins at no number');
  if (!Array.isArray(keepMissing)) throw faulty('they do not say which facts may be missing');
  return { transform, base, keepMissing: keepMissing.filter((input) => typeof input === 'number') };
}

const faulty = (what: string) => new ModelError('model_weights', `The trees are damaged: ${what}.`);

/** The trees in the form of an artefact: columns as weights. */
export function treeArtefact(
  trees: Trees,
  keepMissing: readonly number[],
): Pick<ModelArtefact, 'modelTopology' | 'weightSpecs' | 'weightData'> {
  const { transform, base, roots } = trees;
  const all = [roots, ...columns.map((column) => trees[column])];
  const config: TreeConfig = { transform, base, keepMissing };
  return {
    modelTopology: { class_name: className, config },
    weightSpecs: ['roots', ...columns].map((name, i) => ({
      name: `trees/${name}`,
      shape: [all[i]?.length ?? 0],
      dtype: 'float32',
    })),
    weightData: Buffer.concat(
      all.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
    ).toString('base64'),
  };
}

function checkNodes(trees: Trees, inputs: number): void {
  const { mode, feature, whenTrue, whenFalse, roots } = trees;
  const nodes = mode.length;
  const isIndex = (value: number | undefined, end: number) =>
    value !== undefined && Number.isInteger(value) && value >= 0 && value < end;
  for (const column of columns) if (trees[column].length !== nodes) throw faulty(`${column} has another length`);
  if (!roots.every((root) => isIndex(root, nodes))) throw faulty('a root is no node');
  mode.forEach((kind, node) => {
    if (!isIndex(kind, treeModes.length)) throw faulty(`node ${node} has the mode ${kind}`);
    if (kind === leafMode) return;
    if (!isIndex(feature[node], inputs))
      throw new ModelError(
        'model_inputs',
        `A tree asks for input ${feature[node] ?? -1}, but the card lists ${inputs} inputs (0 to ${inputs - 1}).`,
      );
    // Children behind their parents: no walk can go in circles.
    for (const child of [whenTrue[node], whenFalse[node]])
      if (!isIndex(child, nodes) || (child ?? 0) <= node) throw faulty(`a child of node ${node} is not behind it`);
  });
}

/** @throws ModelError where the artefact's trees are damaged or ask for more inputs than the card lists */
export function readTrees(
  artefact: ModelArtefact,
  inputs: number,
): { readonly trees: Trees; readonly keep: Uint8Array } {
  const { transform, base, keepMissing } = readConfig(artefact.modelTopology);
  const weights = decodeWeights(artefact);
  const column = (name: string): Float32Array => {
    const found = weights.get(`trees/${name}`);
    if (found === undefined) throw faulty(`they have no ${name}`);
    return found.values;
  };
  const trees: Trees = {
    transform,
    base,
    roots: column('roots'),
    mode: column('mode'),
    feature: column('feature'),
    threshold: column('threshold'),
    whenTrue: column('whenTrue'),
    whenFalse: column('whenFalse'),
    missingTrue: column('missingTrue'),
    value: column('value'),
  };
  checkNodes(trees, inputs);
  const keep = new Uint8Array(inputs);
  for (const input of keepMissing) keep[input] = 1;
  return { trees, keep };
}

function branch(mode: number, x: number, threshold: number): boolean {
  switch (mode) {
    case lessOrEqual:
      return x <= threshold;
    case less:
      return x < threshold;
    case greaterOrEqual:
      return x >= threshold;
    case greater:
      return x > threshold;
    case equal:
      return x === threshold;
    default:
      return x !== threshold;
  }
}

/** The sum of the leaves that the row `x` (float32 numbers, NaN missing) reaches, from `at` on. */
export function sumOfLeaves(trees: Trees, x: Float32Array, at: number): number {
  const { roots, mode, feature, threshold, whenTrue, whenFalse, missingTrue, value, base } = trees;
  let sum = base;
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] as number;
    for (let kind = mode[node] as number; kind !== leafMode; kind = mode[node] as number) {
      const seen = x[at + (feature[node] as number)] as number;
      const isTrue = seen !== seen ? missingTrue[node] !== 0 : branch(kind, seen, threshold[node] as number);
      node = (isTrue ? whenTrue[node] : whenFalse[node]) as number;
    }
    sum += value[node] as number;
  }
  return sum;
}

/** The probability that a sum of leaves means; clamped, where it is one itself. */
export function probabilityOfSum(sum: number, transform: Trees['transform']): number {
  return transform === 'logistic' ? sigmoid(sum) : Math.min(1, Math.max(0, sum));
}
