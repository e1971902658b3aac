/** Trained parameters as a TF.js LayersModel that takes the inputs as they are: standardisation, dense layers, sigmoid. */
import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { artefactOf, startWasmBackend } from '../tensorflow.ts';
import type { ModelArtefact, ModelCard } from '../types.ts';
import { scalingEpsilon } from './fit.ts';
import type { Parameter } from './optimiser.ts';
import type { Standardisation } from './table.ts';

export async function assemble(
  scale: Standardisation,
  parameters: readonly Parameter[],
  card: ModelCard,
): Promise<ModelArtefact> {
  await startWasmBackend();
  const width = scale.mean.length;
  const model = sequential({ name: 'mlp' });
  model.add(
    layers.batchNormalization({
      name: 'scaling',
      inputShape: [width],
      center: false,
      scale: false,
      trainable: false,
      epsilon: scalingEpsilon,
    }),
  );
  const kernels = parameters.filter((parameter) => parameter.shape.length === 2);
  kernels.forEach(({ shape }, index) => {
    const activation = index === kernels.length - 1 ? 'sigmoid' : 'relu';
    model.add(layers.dense({ name: `dense${index + 1}`, units: shape[1] ?? 0, activation }));
  });
  const values = new Map<string, { shape: readonly number[]; values: Float32Array }>([
    ['scaling/moving_mean', { shape: [width], values: scale.mean }],
    ['scaling/moving_variance', { shape: [width], values: scale.variance }],
    ...parameters.map((parameter) => [parameter.name, parameter] as const),
  ]);
  const tensors = model.weights.map((weight) => {
    const found = values.get(weight.originalName);
    if (found === undefined) throw new Error(`no value for the weight ${weight.originalName}`);
    return tf.tensor(found.values, [...found.shape]);
  });
  model.setWeights(tensors);
  tf.dispose(tensors);
  const artefact = await artefactOf(model, card);
  model.dispose();
  return artefact;
}
