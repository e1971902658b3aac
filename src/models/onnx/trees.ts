/**
 * An ONNX export of a tree ensemble (XGBoost, LightGBM, scikit-learn: operators TreeEnsembleClassifier and -Regressor of ai.onnx.ml)
 * as our own trees. Read once, at the import: what serves afterwards is plain arrays that give the same bits everywhere.
 */
import { ModelError } from '../errors.ts';
import { type Trees, treeModes } from '../trees.ts';
import { type Fields, floatsOf, integersOf, messagesOf, readMessage, textOf, textsOf } from './protobuf.ts';

/** What surrounds the ensemble in an export and changes no probability: labels, and the probabilities as a map or as doubles. */
const surroundings: ReadonlySet<string> = new Set(['Cast', 'ZipMap', 'Identity', 'ArrayFeatureExtractor', 'Reshape']);
const ensembles: ReadonlySet<string> = new Set(['TreeEnsembleClassifier', 'TreeEnsembleRegressor']);

interface Node {
  readonly operator: string;
  readonly attributes: ReadonlyMap<string, Fields>;
}

const unsupported = (message: string) => new ModelError('model_unsupported', message);

function nodeOf(fields: Fields): Node {
  const attributes = messagesOf(fields, 5).map((attribute) => [textOf(attribute, 1), attribute] as const);
  return { operator: textOf(fields, 4), attributes: new Map(attributes) };
}

/** Columns of the graph's first input; undefined where the export leaves them open. */
function inputWidth(graph: Fields): number | undefined {
  const [input, ...others] = messagesOf(graph, 11);
  if (input === undefined) throw unsupported('The ONNX graph has no input.');
  if (others.length > 0)
    throw unsupported(
      `The ONNX graph has ${others.length + 1} inputs; export it with one input tensor that holds all features.`,
    );
  const [type] = messagesOf(input, 2);
  const [tensor] = type === undefined ? [] : messagesOf(type, 1);
  const [shape] = tensor === undefined ? [] : messagesOf(tensor, 2);
  const width = shape === undefined ? undefined : messagesOf(shape, 1)[1];
  const stated = width === undefined ? undefined : integersOf(width, 1)[0];
  return stated === undefined || stated <= 0 ? undefined : stated;
}

function ensembleOf(nodes: readonly Node[]): Node {
  const others = nodes.filter(({ operator }) => !ensembles.has(operator) && !surroundings.has(operator));
  const [ensemble, second] = nodes.filter(({ operator }) => ensembles.has(operator));
  if (ensemble === undefined || second !== undefined || others.length > 0) {
    const found = [...new Set(nodes.map(({ operator }) => operator))].join(', ') || 'none';
    throw unsupported(
      `The ONNX graph has the operators ${found}; one tree ensemble (TreeEnsembleClassifier or TreeEnsembleRegressor, as exports of XGBoost, LightGBM and scikit-learn's trees have) is what can be imported. Networks are imported as Keras or TF.js LayersModel.`,
    );
  }
  return ensemble;
}

class Attributes {
  readonly #attributes: Node['attributes'];

  constructor({ attributes }: Node) {
    this.#attributes = attributes;
  }

  integers(name: string): readonly number[] {
    return integersOf(this.#attributes.get(name) ?? new Map(), 8);
  }
  floats(name: string): readonly number[] {
    return floatsOf(this.#attributes.get(name) ?? new Map(), 7);
  }
  texts(name: string): readonly string[] {
    return textsOf(this.#attributes.get(name) ?? new Map(), 9);
  }
  text(name: string): string {
    return textOf(this.#attributes.get(name) ?? new Map(), 4);
  }
}

interface Outcome {
  readonly prefix: 'class' | 'target';
  readonly transform: Trees['transform'];
  /** Weights of this class (or target) make the sum. */
  readonly counted: number;
  readonly base: number;
}

/** How the sum of leaves becomes the probability of fraud. @throws ModelError where it does not */
function outcomeOf(operator: string, attributes: Attributes): Outcome {
  const transform = attributes.text('post_transform') || 'NONE';
  const bases = attributes.floats('base_values');
  if (operator === 'TreeEnsembleRegressor') {
    if (transform !== 'LOGISTIC')
      throw new ModelError(
        'model_output',
        `The ensemble's output is a sum with the transform ${transform}, not a probability; export a binary classifier.`,
      );
    return { prefix: 'target', transform: 'logistic', counted: 0, base: bases[0] ?? 0 };
  }
  const classes = Math.max(
    attributes.integers('classlabels_int64s').length,
    attributes.texts('classlabels_strings').length,
  );
  if (classes !== 2)
    throw new ModelError(
      'model_output',
      `The classifier has ${classes} classes; two are needed: legitimate and fraud.`,
    );
  const ids = new Set(attributes.integers('class_ids'));
  // With weights for one class alone the sum is that of fraud, whatever the id (onnxruntime's binary case).
  const counted = ids.size === 1 ? ([...ids][0] ?? 0) : 1;
  const base = bases.length > 1 ? (bases[counted] ?? 0) : (bases[0] ?? 0);
  if (transform === 'LOGISTIC') {
    if (ids.size !== 1) throw unsupported('The classifier sums two classes before a logistic transform.');
    return { prefix: 'class', transform: 'logistic', counted, base };
  }
  if (transform === 'NONE') return { prefix: 'class', transform: 'none', counted, base };
  throw unsupported(`The classifier ends in the transform ${transform}; LOGISTIC and NONE are known.`);
}

/** Index of each node by tree and node id, and each tree's root. */
function placesOf(attributes: Attributes): { readonly at: ReadonlyMap<string, number>; readonly roots: number[] } {
  const trees = attributes.integers('nodes_treeids');
  const ids = attributes.integers('nodes_nodeids');
  const at = new Map<string, number>();
  const roots: number[] = [];
  trees.forEach((tree, i) => {
    at.set(`${tree}/${ids[i] ?? -1}`, i);
    if (ids[i] === 0) roots.push(i);
  });
  return { at, roots };
}

/** @throws ModelError with a sentence that says what to export instead */
export function readOnnxTrees(bytes: Uint8Array): { readonly trees: Trees; readonly width: number | undefined } {
  const [graph] = messagesOf(readMessage(bytes), 7);
  if (graph === undefined) throw new ModelError('model_unreadable', 'The file is not ONNX: it has no graph.');
  const ensemble = ensembleOf(messagesOf(graph, 1).map(nodeOf));
  const attributes = new Attributes(ensemble);
  if ((attributes.text('aggregate_function') || 'SUM') !== 'SUM')
    throw unsupported('The trees are not summed; only the sum of trees is known.');
  const { prefix, transform, counted, base } = outcomeOf(ensemble.operator, attributes);
  const { at, roots } = placesOf(attributes);
  const treeIds = attributes.integers('nodes_treeids');
  const place = (tree: number | undefined, node: number | undefined): number => {
    const found = at.get(`${tree ?? -1}/${node ?? -1}`);
    if (found === undefined)
      throw new ModelError('model_unreadable', 'The ONNX file is damaged: a branch leads nowhere.');
    return found;
  };
  const modes = attributes.texts('nodes_modes').map((mode) => {
    const known = treeModes.findIndex((each) => each === mode);
    if (known < 0) throw unsupported(`The trees branch by ${mode}, which is not known.`);
    return known;
  });
  const leaf = treeModes.indexOf('LEAF');
  const child = (ids: readonly number[]) =>
    Float32Array.from(modes, (mode, i) => (mode === leaf ? i : place(treeIds[i], ids[i])));
  const values = new Float64Array(modes.length);
  const weights = attributes.floats(`${prefix}_weights`);
  const leafIds = attributes.integers(`${prefix}_nodeids`);
  const leafTrees = attributes.integers(`${prefix}_treeids`);
  attributes.integers(`${prefix}_ids`).forEach((id, i) => {
    if (id !== counted) return;
    const target = place(leafTrees[i], leafIds[i]);
    values[target] = (values[target] ?? 0) + (weights[i] ?? 0);
  });
  const tracks = attributes.integers('nodes_missing_value_tracks_true');
  const trees: Trees = {
    transform,
    base,
    roots: Float32Array.from(roots),
    mode: Float32Array.from(modes),
    feature: Float32Array.from(attributes.integers('nodes_featureids')),
    threshold: Float32Array.from(attributes.floats('nodes_values')),
    whenTrue: child(attributes.integers('nodes_truenodeids')),
    whenFalse: child(attributes.integers('nodes_falsenodeids')),
    missingTrue: Float32Array.from(modes, (_, i) => tracks[i] ?? 0),
    value: Float32Array.from(values),
  };
  return { trees, width: inputWidth(graph) };
}
