/**
 * A model bound through TF.js itself: for what the kernel does not cover, and where the operator asks for it. Slower at batch 1,
 * and correct. Rows always go in blocks of one fixed size, the rest of a block being zeros: a matrix product of another height
 * may take another path inside the backend, and a row's result must not depend on its company.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { codeOther, type Frame, type FrameLayout } from '../features/frame.ts';
import { prepareFact } from './arithmetic.ts';
import { backgroundOf, logitOf, missingRow } from './background.ts';
import type { ModelIdentity } from './compiled.ts';
import { ModelError } from './errors.ts';
import { rankContributions } from './explain.ts';
import { categoryInputs, gatherInputs, inputColumns, isCategory, numericInputs } from './inputs.ts';
import { loadable } from './tensorflow.ts';
import type { Backend, BoundModel, CardInput, Contribution, ModelArtefact } from './types.ts';

const blockRows = 32;

function describeOutput({ outputs }: LayersModel): string {
  return outputs.map(({ shape }) => `[${shape.map((side) => side ?? 'rows').join(', ')}]`).join(' and ');
}

/** @throws ModelError where TF.js refuses the model, or it does not make one column ending in a sigmoid. */
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
  if (shape?.length !== 2 || shape[1] !== 1 || producer !== 'sigmoid') {
    const described = describeOutput(model);
    model.dispose();
    throw new ModelError(
      'model_output',
      `The model's output is ${described} with activation ${JSON.stringify(producer)}; one column with a sigmoid, a probability, is needed.`,
    );
  }
  const wanted = 1 + categoryInputs(artefact.card.inputs).length;
  if (model.inputs.length !== wanted) {
    const found = model.inputs.length;
    model.dispose();
    throw new ModelError('model_inputs', `The model takes ${found} input tensors, but its card describes ${wanted}.`);
  }
  return model;
}

/** Runs rows of inputs, [row][input] as BoundModel.gather gives them, in blocks. */
function predictor(backendName: string, model: LayersModel, inputs: readonly CardInput[]) {
  const width = inputs.length;
  const numeric = numericInputs(inputs);
  const categories = inputs.flatMap((input, at) =>
    isCategory(input) ? [{ at, codes: input.vocabulary.length + 2 }] : [],
  );
  const numericAt = inputs.flatMap((input, at) => (isCategory(input) ? [] : [at]));

  function predictBlock(rows: Float64Array, first: number, count: number): Float32Array {
    const block = new Float32Array(blockRows * numeric.length);
    const codes = categories.map(() => new Float32Array(blockRows));
    for (let row = 0; row < count; row++) {
      const from = (first + row) * width;
      numeric.forEach(({ transform, missing }, i) => {
        const fact = rows[from + (numericAt[i] ?? 0)] ?? Number.NaN;
        block[row * numeric.length + i] = prepareFact(fact, transform, missing);
      });
      categories.forEach(({ at, codes: known }, category) => {
        const code = rows[from + at] ?? codeOther;
        (codes[category] as Float32Array)[row] = code >= 0 && code < known ? code : codeOther;
      });
    }
    // Models on several backends may take turns in one process. A backend that has started is set at once.
    if (tf.getBackend() !== backendName) void tf.setBackend(backendName);
    return tf.tidy(() => {
      const tensors = [
        tf.tensor2d(block, [blockRows, numeric.length]),
        ...codes.map((column) => tf.tensor2d(column, [blockRows, 1])),
      ];
      const only = tensors.length === 1 ? tensors[0] : undefined;
      const output = model.predict(only ?? tensors, { batchSize: blockRows });
      if (Array.isArray(output)) throw new Error('a model with one output answered several');
      return Float32Array.from(output.dataSync());
    });
  }

  return (rows: Float64Array, out: Float64Array): void => {
    const count = rows.length / width;
    for (let first = 0; first < count; first += blockRows) {
      const taken = Math.min(blockRows, count - first);
      out.set(predictBlock(rows, first, taken).subarray(0, taken), first);
    }
  };
}

/** Of a backend that has been started. @throws ModelError where TF.js refuses the model, or it is not what its card says */
export async function bindLayers(
  backend: Exclude<Backend, 'kernel'>,
  { id, version }: ModelIdentity,
  inputs: readonly CardInput[],
  artefact: ModelArtefact,
  layout: FrameLayout,
): Promise<BoundModel> {
  const columns = inputColumns(inputs, layout);
  const model = await load(artefact);
  const predict = predictor(tf.getBackend(), model, inputs);
  const width = inputs.length;

  function score(frame: Frame, probabilities: Float64Array): void {
    const rows = new Float64Array(frame.rows * width);
    for (let row = 0; row < frame.rows; row++) rows.set(gatherInputs(frame, columns, row), row * width);
    predict(rows, probabilities);
  }

  function logits(rows: Float64Array): Float64Array {
    const out = new Float64Array(rows.length / width);
    predict(rows, out);
    return out.map(logitOf);
  }

  /** Occlusion by the value that stands for a missing fact: such a graph has no place where the training mean is known. */
  function explain(frame: Frame, row: number, top: number): readonly Contribution[] {
    const own = gatherInputs(frame, columns, row);
    const baseline = missingRow(inputs);
    const rows = new Float64Array((width + 1) * width);
    for (let i = 0; i <= width; i++) {
      rows.set(own, i * width);
      if (i < width) rows[i * width + i] = baseline[i] ?? 0;
    }
    const occluded = logits(rows);
    return rankContributions(inputs, occluded[width] ?? Number.NaN, occluded, top);
  }

  return {
    id,
    version,
    backend,
    inputs,
    background: backgroundOf(artefact, inputs) ?? [missingRow(inputs)],
    score,
    explain,
    gather: (frame, row) => gatherInputs(frame, columns, row),
    logits,
  };
}
