/**
 * tfjs with its WebAssembly backend, for models that the kernel does not cover. Slower at batch 1, and correct. Rows always
 * go in blocks of one fixed size, the rest of a block being zeros: a matrix product of another height may take another path
 * inside the backend, and a row's result must not depend on its company.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import type { Frame, FrameLayout } from '../features/frame.ts';
import { log, prepareFact } from './arithmetic.ts';
import type { ModelIdentity } from './compiled.ts';
import { ModelError } from './errors.ts';
import { rankContributions } from './explain.ts';
import { gatherRows, inputColumns } from './inputs.ts';
import { loadable, startWasmBackend } from './tensorflow.ts';
import type { BoundModel, Contribution, ModelArtefact, ModelInput } from './types.ts';

const blockRows = 32;

/** @throws ModelError where tfjs refuses the model, or it does not make one column ending in a sigmoid. */
async function load(artefact: ModelArtefact): Promise<LayersModel> {
  let model: LayersModel;
  try {
    model = await loadLayersModel(loadable(artefact));
  } catch (error) {
    throw new ModelError(
      'model_unsupported',
      `TF.js cannot load the model: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const shape = model.outputs.length === 1 ? model.outputs[0]?.shape : undefined;
  const producer = model.outputs[0]?.sourceLayer.getConfig()['activation'];
  if (model.inputs.length !== 1 || shape?.length !== 2 || shape[1] !== 1 || producer !== 'sigmoid') {
    const described = model.outputs
      .map((output) => `[${output.shape.map((side) => side ?? 'rows').join(', ')}]`)
      .join(' and ');
    model.dispose();
    throw new ModelError(
      'model_output',
      `The model's output is ${described} with activation ${JSON.stringify(producer)}; one column with a sigmoid, a probability, is needed.`,
    );
  }
  return model;
}

/** The logit of a probability; finite for 0 and 1 too. */
function logit(probability: number): number {
  const smallest = 1e-12;
  const p = Math.min(1 - smallest, Math.max(smallest, probability));
  return log(p) - log(1 - p);
}

export async function bindFallback(
  { id, version }: ModelIdentity,
  inputs: readonly ModelInput[],
  artefact: ModelArtefact,
  layout: FrameLayout,
): Promise<BoundModel> {
  const columns = inputColumns(inputs, layout);
  await startWasmBackend();
  const model = await load(artefact);
  const width = inputs.length;
  const facts = new Float64Array(blockRows * width);
  const block = new Float32Array(blockRows * width);

  function predict(): Float32Array {
    return tf.tidy(() => {
      const output = model.predict(tf.tensor2d(block, [blockRows, width]), { batchSize: blockRows });
      if (Array.isArray(output)) throw new Error('a model with one output answered several');
      return Float32Array.from(output.dataSync());
    });
  }

  function prepare(frame: Frame, first: number, rows: number): void {
    gatherRows(frame, columns, first, rows, facts, width);
    block.fill(0);
    for (let at = 0; at < rows * width; at++) {
      const input = inputs[at % width];
      if (input) block[at] = prepareFact(facts[at] ?? Number.NaN, input.transform, input.missing);
    }
  }

  function score(frame: Frame, probabilities: Float64Array): void {
    for (let first = 0; first < frame.rows; first += blockRows) {
      const rows = Math.min(blockRows, frame.rows - first);
      prepare(frame, first, rows);
      probabilities.set(predict().subarray(0, rows), first);
    }
  }

  /** Occlusion by the value that stands for a missing fact: such a graph has no place where the training mean is known. */
  function explain(frame: Frame, row: number, top: number): readonly Contribution[] {
    prepare(frame, row, 1);
    const values = block.slice(0, width);
    const whole = logit(predict()[0] ?? Number.NaN);
    const occluded = new Float64Array(width);
    for (let first = 0; first < width; first += blockRows) {
      const rows = Math.min(blockRows, width - first);
      for (let i = 0; i < rows; i++) {
        block.set(values, i * width);
        const input = inputs[first + i];
        if (input) block[i * width + first + i] = prepareFact(input.missing, input.transform, input.missing);
      }
      occluded.set(Array.from(predict().subarray(0, rows), logit), first);
    }
    return rankContributions(inputs, whole, occluded, top);
  }

  return { id, version, backend: 'wasm', score, explain };
}
