/**
 * Trained parameters as a TF.js LayersModel that takes the inputs as they are: standardisation, embeddings of the categories beside
 * it where there are some, dense layers, sigmoid.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  input,
  type LayersModel,
  layers,
  model as graphModel,
  sequential,
  type SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import { artefactOf, startWasmBackend } from '../tensorflow.ts';
import type { ModelArtefact, ModelCard } from '../types.ts';
import { splitParameters } from './embeddings.ts';
import { scalingEpsilon } from './fit.ts';
import type { Parameter } from './optimiser.ts';
import type { Standardisation } from './table.ts';

const scalingLayer = (shape: { inputShape?: number[] }) =>
  layers.batchNormalization({
    name: 'scaling',
    ...shape,
    center: false,
    scale: false,
    trainable: false,
    epsilon: scalingEpsilon,
  });

function denseLayers(parameters: readonly Parameter[]) {
  const kernels = parameters.filter((parameter) => parameter.shape.length === 2);
  return kernels.map(({ shape }, index) => {
    const activation = index === kernels.length - 1 ? ('sigmoid' as const) : ('relu' as const);
    return layers.dense({ name: `dense${index + 1}`, units: shape[1] ?? 0, activation });
  });
}

function chainOf(width: number, dense: readonly Parameter[]): LayersModel {
  const model = sequential({ name: 'mlp' });
  model.add(scalingLayer({ inputShape: [width] }));
  for (const layer of denseLayers(dense)) model.add(layer);
  return model;
}

function graphOf(width: number, dense: readonly Parameter[], embeddings: readonly Parameter[]): LayersModel {
  const numbers = input({ shape: [width], name: 'numbers' });
  const codes = embeddings.map((_, at) => input({ shape: [1], name: `category${at + 1}` }));
  const vectors = embeddings.map(({ shape: [inputDim = 0, outputDim = 0] }, at) => {
    const looked = layers.embedding({ name: `embedding${at + 1}`, inputDim, outputDim }).apply(codes[at] ?? numbers);
    return layers.flatten({ name: `vector${at + 1}` }).apply(looked) as SymbolicTensor;
  });
  const scaled = scalingLayer({}).apply(numbers) as SymbolicTensor;
  const all = layers.concatenate({ name: 'inputs' }).apply([scaled, ...vectors]) as SymbolicTensor;
  const outputs = denseLayers(dense).reduce((stream, layer) => layer.apply(stream) as SymbolicTensor, all);
  return graphModel({ inputs: [numbers, ...codes], outputs, name: 'mlp' });
}

export async function assemble(
  scale: Standardisation,
  parameters: readonly Parameter[],
  card: ModelCard,
): Promise<ModelArtefact> {
  await startWasmBackend();
  const width = scale.mean.length;
  const { dense, embeddings } = splitParameters(parameters);
  const model = embeddings.length === 0 ? chainOf(width, dense) : graphOf(width, dense, embeddings);
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
