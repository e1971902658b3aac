/** Random TF.js models, built and saved by TF.js itself. */
import * as tf from '@tensorflow/tfjs-core';
import { layers, type LayersModel, type Sequential, sequential } from '@tensorflow/tfjs-layers';
import { uniform } from '../../../src/models/training/random.ts';
import type { ModelArtefact, ModelInput } from '../../../src/models/types.ts';
import { artefactOf } from '../../../src/models/tensorflow.ts';

export interface NetworkShape {
  readonly inputs: number;
  readonly leading: readonly ('normalise' | 'rescale')[];
  readonly hidden: readonly {
    units: number;
    activation: 'relu' | 'tanh' | 'sigmoid' | 'linear';
    after: 'none' | 'normalise' | 'dropout' | 'normalise, relu';
  }[];
  readonly bias: boolean;
  readonly seed: number;
}

/** Sets every weight: matrices He-scaled, variances positive, the rest around zero. */
export function randomise(model: LayersModel, seed: number): void {
  const random = uniform(seed);
  const fresh = model.weights.map(({ name, shape }) => {
    const size = shape.reduce<number>((product, side) => product * (side ?? 1), 1);
    const spread = name.includes('kernel') ? Math.sqrt(6 / (shape[0] ?? 1)) : 0.5;
    const one =
      name.includes('variance') || name.includes('gamma') ? () => 0.5 + random() : () => (random() * 2 - 1) * spread;
    return tf.tensor(Array.from({ length: size }, one), shape as number[]);
  });
  model.setWeights(fresh);
  tf.dispose(fresh);
}

export function buildSequential(shape: NetworkShape): Sequential {
  const model = sequential();
  let first: { inputShape?: number[] } = { inputShape: [shape.inputs] };
  const add = (make: (first: { inputShape?: number[] }) => Parameters<Sequential['add']>[0]) => {
    model.add(make(first));
    first = {};
  };
  for (const kind of shape.leading) {
    if (kind === 'normalise') add((f) => layers.batchNormalization({ ...f }));
    else add((f) => layers.rescaling({ ...f, scale: 0.5, offset: 0.25 }));
  }
  for (const { units, activation, after } of shape.hidden) {
    add((f) => layers.dense({ ...f, units, activation, useBias: shape.bias }));
    if (after === 'dropout') model.add(layers.dropout({ rate: 0.5 }));
    if (after.startsWith('normalise')) model.add(layers.batchNormalization({ epsilon: 0.01 }));
    if (after === 'normalise, relu' && activation === 'linear') model.add(layers.activation({ activation: 'relu' }));
  }
  add((f) => layers.dense({ ...f, units: 1, activation: 'sigmoid' }));
  randomise(model, shape.seed);
  return model;
}

export function saved(model: LayersModel, inputs: readonly ModelInput[]): Promise<ModelArtefact> {
  return artefactOf(model, { id: 'test', inputs });
}
