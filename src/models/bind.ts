/** A model artefact made ready for one release's frames: by the compiled kernel where it can, by TF.js where it must or should. */
import type { FrameLayout } from '../features/frame.ts';
import { backgroundOf } from './background.ts';
import { bindTrees } from './bindTrees.ts';
import { bindCompiled, type ModelIdentity } from './compiled.ts';
import { ModelError } from './errors.ts';
import { categoryInputs, checkInputs, codesOf, numericInputs } from './inputs.ts';
import { fastest } from './measure.ts';
import { buildNetwork, type NetworkOutcome } from './network.ts';
import { isTreeTopology } from './trees.ts';
import { readTopology, statedInputWidth, type Topology } from './topology.ts';
import type { Backend, BindModel, BindOptions, BoundModel, CardInput, ModelArtefact } from './types.ts';
import { modelVersion } from './version.ts';
import { decodeWeights } from './weights.ts';

/** Every code of a category must have its row in the embedding that reads it: TF.js would read beyond it. */
function checkEmbeddings({ layers, inputs: names }: Topology, inputs: readonly CardInput[]): void {
  categoryInputs(inputs).forEach((category, at) => {
    const embedding = layers.find(
      ({ className, inbound }) => className === 'Embedding' && inbound?.[0] === names[at + 1],
    );
    const rows = embedding?.config['input_dim'];
    if (embedding === undefined || names[at + 1] === undefined)
      throw new ModelError('model_inputs', `The model has no embedding for the category ${category.fact} of its card.`);
    if (typeof rows !== 'number' || rows < codesOf(category)) {
      throw new ModelError(
        'model_inputs',
        `Layer ${embedding.name} embeds ${String(rows)} codes; the vocabulary of ${category.fact} needs ${codesOf(category)}: missing, other and its texts.`,
      );
    }
  });
}

interface Identified {
  readonly identity: ModelIdentity;
  readonly inputs: readonly CardInput[];
}

/** The inputs first: only sound ones can be hashed. @throws ModelError */
function identify(artefact: ModelArtefact): Identified {
  const { card } = artefact;
  if (typeof card.id !== 'string' || card.id === '') throw new ModelError('model_inputs', 'The model card has no id.');
  const inputs = checkInputs(card);
  return { identity: { id: card.id, version: modelVersion(artefact) }, inputs };
}

interface Sound extends Identified {
  readonly outcome: NetworkOutcome;
}

/** @throws ModelError */
function check(artefact: ModelArtefact): Sound {
  const { identity, inputs } = identify(artefact);
  const numeric = numericInputs(inputs).length;
  if (numeric === 0) throw new ModelError('model_inputs', 'The model card lists no numeric input; one is needed.');
  backgroundOf(artefact, inputs);
  const topology = readTopology(artefact.modelTopology);
  const width = statedInputWidth(topology);
  if (width !== undefined && width !== numeric)
    throw new ModelError('model_inputs', `The model takes ${width} inputs, but its card lists ${numeric}.`);
  checkEmbeddings(topology, inputs);
  const outcome = buildNetwork(topology, numeric, decodeWeights(artefact), categoryInputs(inputs).map(codesOf));
  return { identity, inputs, outcome };
}

/** Only where one of TF.js's backends is wanted, so that the usual start never loads TF.js. */
async function bindTensorFlow(
  backend: Exclude<Backend, 'kernel'>,
  { identity, inputs }: Sound,
  artefact: ModelArtefact,
  layout: FrameLayout,
  directory: string | undefined,
): Promise<BoundModel> {
  const { bindLayers } = await import('./layers.ts');
  if (backend === 'wasm') await (await import('./tensorflow.ts')).startWasmBackend();
  else await (await import('./tfjsNode.ts')).startTfjsNode(directory);
  return bindLayers(backend, identity, inputs, artefact, layout);
}

async function bindFastest(
  sound: Sound,
  artefact: ModelArtefact,
  layout: FrameLayout,
  directory: string | undefined,
): Promise<BoundModel> {
  const { tfjsNodePath } = await import('./tfjsNode.ts');
  const { identity, inputs, outcome } = sound;
  const candidates: BoundModel[] =
    outcome.kind === 'covered' ? [bindCompiled(identity, inputs, artefact, outcome.network, layout)] : [];
  candidates.push(await bindTensorFlow('wasm', sound, artefact, layout, directory));
  if (tfjsNodePath(directory) !== undefined)
    candidates.push(await bindTensorFlow('tfjs-node', sound, artefact, layout, directory));
  return fastest(candidates, layout);
}

/**
 * @throws ModelError (as a rejection) with a sentence for the operator: weights that are not finite or do not fit, facts the
 * layout lacks, an output that is not one probability, a backend that is not there.
 */
export const bindModel: BindModel = async (artefact, layout, options: BindOptions = {}) => {
  const { backend = 'auto', tfjsNodeDirectory } = options;
  if (isTreeTopology(artefact.modelTopology)) {
    const { identity, inputs } = identify(artefact);
    return bindTrees(identity, inputs, artefact, layout);
  }
  const sound = check(artefact);
  const { identity, inputs, outcome } = sound;
  if (backend === 'fastest') return bindFastest(sound, artefact, layout, tfjsNodeDirectory);
  if (backend === 'wasm' || backend === 'tfjs-node')
    return bindTensorFlow(backend, sound, artefact, layout, tfjsNodeDirectory);
  if (outcome.kind === 'covered') return bindCompiled(identity, inputs, artefact, outcome.network, layout);
  if (backend === 'kernel')
    throw new ModelError(
      'model_unsupported',
      `The kernel cannot run this model: ${outcome.reason}. Let HOLDFAST_MODEL_BACKEND be auto or wasm.`,
    );
  return bindTensorFlow('wasm', sound, artefact, layout, tfjsNodeDirectory);
};
