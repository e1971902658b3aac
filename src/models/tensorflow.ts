/** Between an artefact and TF.js's own forms. Imported only where TF.js is. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { getBackend, io, setBackend } from '@tensorflow/tfjs-core';
// Also for its side effect: in Node the gradients are registered by the layers package, not by the core.
import '@tensorflow/tfjs-layers';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { ModelError } from './errors.ts';
import type { ModelArtefact, ModelCard } from './types.ts';
import { weightBytes } from './weights.ts';

/** A handler that `loadLayersModel` takes. */
export function loadable(artefact: ModelArtefact): io.IOHandler {
  return io.fromMemory({
    modelTopology: artefact.modelTopology as object,
    weightSpecs: artefact.weightSpecs.map((spec) => ({ ...spec, dtype: 'float32' as const })),
    weightData: weightBytes(artefact.weightData).buffer,
  });
}

/** What TF.js would write for the model, with its card. */
export async function artefactOf(model: LayersModel, card: ModelCard): Promise<ModelArtefact> {
  const saved: io.ModelArtifacts[] = [];
  await model.save(
    io.withSaveHandler(async (artifacts) => {
      saved.push(artifacts);
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  const artifacts = saved[0];
  if (artifacts?.weightData === undefined || artifacts.weightSpecs === undefined)
    throw new Error('TF.js saved no weights');
  const weights = io.CompositeArrayBuffer.join(artifacts.weightData);
  return {
    modelTopology: JSON.parse(JSON.stringify(artifacts.modelTopology)),
    weightSpecs: artifacts.weightSpecs.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    weightData: Buffer.from(weights).toString('base64'),
    card,
  };
}

/** Makes tfjs-wasm the backend of this process. @throws ModelError where it does not start. */
export async function startWasmBackend(): Promise<void> {
  if (getBackend() === 'wasm') return;
  setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm')))}/`);
  if (!(await setBackend('wasm'))) {
    throw new ModelError('model_unsupported', 'The tfjs WebAssembly backend does not start.');
  }
}
