/** Random TF.js models with embedded categories, built and saved by TF.js itself, as training builds them. */
import * as tf from '@tensorflow/tfjs-core';
import { input, layers, type LayersModel, model as graphModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { uniform } from '../../../src/models/training/random.ts';
import type { CardInput, ModelArtefact } from '../../../src/models/types.ts';
import { artefactOf } from '../../../src/models/tensorflow.ts';

export interface CategoricalShape {
  readonly numeric: number;
  /** Texts of each category's vocabulary, and the width of its embedding. */
  readonly categories: readonly { readonly texts: number; readonly width: number }[];
  readonly leading: 'none' | 'normalise';
  /** Units of a layer on the numbers alone, before they are joined; 0 for none. */
  readonly encoded: number;
  readonly hidden: readonly number[];
  readonly activation: 'relu' | 'elu';
  readonly seed: number;
}

const textOf = (i: number) => `text${i}`;

/** Numbers and categories take turns in the card: their places there are not those in the graph. */
export function cardInputs({ numeric, categories }: CategoricalShape): CardInput[] {
  const numbers: CardInput[] = Array.from({ length: numeric }, (_, i) => ({
    fact: `fact${i}`,
    transform: i % 2 === 0 ? 'signedLog1p' : 'none',
    missing: 0.5,
  }));
  const texts: CardInput[] = categories.map(({ texts: count }, i) => ({
    fact: `kind${i}`,
    kind: 'category',
    vocabulary: Array.from({ length: count }, (_, text) => textOf(text)),
  }));
  const mixed: CardInput[] = [];
  while (numbers.length + texts.length > 0) mixed.push(...texts.splice(0, 1), ...numbers.splice(0, 1));
  return mixed;
}

function randomise(model: LayersModel, seed: number): void {
  const random = uniform(seed);
  const fresh = model.weights.map(({ name, shape }) => {
    const size = shape.reduce<number>((product, side) => product * (side ?? 1), 1);
    const spread = name.includes('kernel') ? Math.sqrt(6 / (shape[0] ?? 1)) : 0.5;
    const one = name.includes('variance') ? () => 0.5 + random() : () => (random() * 2 - 1) * spread;
    return tf.tensor(Array.from({ length: size }, one), shape as number[]);
  });
  model.setWeights(fresh);
  tf.dispose(fresh);
}

export function buildCategorical(shape: CategoricalShape): LayersModel {
  const numbers = input({ shape: [shape.numeric] });
  let stream: SymbolicTensor = numbers;
  const next = (layer: { apply: (tensor: SymbolicTensor) => unknown }) => {
    stream = layer.apply(stream) as SymbolicTensor;
  };
  if (shape.leading === 'normalise') next(layers.batchNormalization({}));
  if (shape.encoded > 0) next(layers.dense({ units: shape.encoded, activation: 'relu' }));
  const codes = shape.categories.map(() => input({ shape: [1] }));
  const embedded = shape.categories.map(({ texts, width }, i) => {
    const vectors = layers.embedding({ inputDim: texts + 2, outputDim: width }).apply(codes[i] as SymbolicTensor);
    return layers.flatten().apply(vectors) as SymbolicTensor;
  });
  stream = layers.concatenate().apply([stream, ...embedded]) as SymbolicTensor;
  for (const units of shape.hidden) {
    next(layers.dense({ units, activation: shape.activation }));
    next(layers.dropout({ rate: 0.2 }));
  }
  next(layers.dense({ units: 1, activation: 'sigmoid' }));
  const model = graphModel({ inputs: [numbers, ...codes], outputs: stream });
  randomise(model, shape.seed);
  return model;
}

export function savedCategorical(model: LayersModel, inputs: readonly CardInput[]): Promise<ModelArtefact> {
  return artefactOf(model, { id: 'test', inputs });
}
