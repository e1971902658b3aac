import type { Static } from 'typebox';
import type { Frame, FrameLayout } from '../features/frame.ts';
import type { modelCardSchema, modelInputSchema, modelSchema, weightSpecSchema } from './schema.ts';

/** How one model input is made from a numeric fact: `(transform(x) − mean) / deviation` is part of the graph, not of this. */
export type ModelInput = Readonly<Static<typeof modelInputSchema>>;
/** Applied to a fact before it enters the graph. */
export type InputTransform = ModelInput['transform'];

export interface ModelCard extends Readonly<Omit<Static<typeof modelCardSchema>, 'inputs'>> {
  readonly inputs: readonly ModelInput[];
  readonly [key: string]: unknown;
}

/** A TF.js LayersModel as stored in a release: topology and weights as TF.js writes them, and its card. */
export type ModelArtefact = Readonly<Omit<Static<typeof modelSchema>, 'card' | 'weightSpecs'>> & {
  readonly weightSpecs: readonly Static<typeof weightSpecSchema>[];
  readonly card: ModelCard;
};

export interface Contribution {
  readonly fact: string;
  /** In logits; positive pushes towards fraud. */
  readonly contribution: number;
}

/** A model bound to the frame layout of its release. */
export interface BoundModel {
  readonly id: string;
  /** SHA-256 of topology, weights and inputs, hexadecimal. */
  readonly version: string;
  readonly backend: 'kernel' | 'wasm';
  /** Fraud probabilities of rows 0 … frame.rows − 1; the same for a row whatever the batch it is in, bit for bit. */
  score(frame: Frame, probabilities: Float64Array): void;
  /** The inputs that moved this row's logit most against the training mean, largest magnitude first. */
  explain(frame: Frame, row: number, top: number): readonly Contribution[];
}

export type BindModel = (artefact: ModelArtefact, layout: FrameLayout) => Promise<BoundModel>;
