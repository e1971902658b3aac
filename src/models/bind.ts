/** A model artefact made ready for one release's frames: by the compiled kernel where it can, by tfjs-wasm where it must. */
import { bindCompiled } from './compiled.ts';
import { ModelError } from './errors.ts';
import { checkInputs } from './inputs.ts';
import { buildNetwork } from './network.ts';
import { readTopology, statedInputWidth } from './topology.ts';
import type { BindModel } from './types.ts';
import { modelVersion } from './version.ts';
import { decodeWeights } from './weights.ts';

/**
 * @throws ModelError (as a rejection) with a sentence for the operator: weights that are not finite or do not fit, facts the
 * layout lacks, an output that is not one probability.
 */
export const bindModel: BindModel = async (artefact, layout) => {
  const { card } = artefact;
  if (typeof card.id !== 'string' || card.id === '') throw new ModelError('model_inputs', 'The model card has no id.');
  const inputs = checkInputs(card);
  const topology = readTopology(artefact.modelTopology);
  const width = statedInputWidth(topology);
  if (width !== undefined && width !== inputs.length) {
    throw new ModelError('model_inputs', `The model takes ${width} inputs, but its card lists ${inputs.length}.`);
  }
  const weights = decodeWeights(artefact);
  const identity = { id: card.id, version: modelVersion(artefact) };
  const outcome = buildNetwork(topology, inputs.length, weights);
  if (outcome.kind === 'covered') return bindCompiled(identity, inputs, outcome.network, layout);
  // Only here, so that the usual start never loads tfjs.
  const { bindFallback } = await import('./fallback.ts');
  return bindFallback(identity, inputs, artefact, layout);
};
