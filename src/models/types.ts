import type { Frame, FrameLayout } from '../features/frame.ts';

/** A TF.js LayersModel as stored in a release: topology and weights as TF.js writes them, and its card. */
export interface ModelArtefact {
  readonly modelTopology: unknown;
  readonly weightSpecs: readonly { name: string; shape: number[]; dtype: string }[];
  /** Base64 of the concatenated weights, little endian. */
  readonly weightData: string;
  readonly card: ModelCard;
}

/** Applied to a fact before it enters the graph; `signedLog1p` is sign(x) · log(1 + |x|). */
export type InputTransform = 'none' | 'signedLog1p';

/** How one model input is made from a numeric fact: `(transform(x) − mean) / deviation` is part of the graph, not of this. */
export interface ModelInput {
  readonly fact: string;
  readonly transform: InputTransform;
  /** The value used where the fact is missing. */
  readonly missing: number;
}

export interface ModelCard {
  readonly id: string;
  readonly inputs: readonly ModelInput[];
  readonly [key: string]: unknown;
}

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
