import type { Static } from 'typebox';
import type { Frame, FrameLayout } from '../features/frame.ts';
import type {
  categoryInputSchema,
  modelCardSchema,
  modelSchema,
  numericInputSchema,
  weightSpecSchema,
} from './schema.ts';

/** How one model input is made from a numeric fact: `(transform(x) − mean) / deviation` is part of the graph, not of this. */
export type ModelInput = Readonly<Static<typeof numericInputSchema>>;
/** A text that the graph embeds, by its place in the vocabulary (see features/frame.ts: 0 missing, 1 other, 2 … the vocabulary). */
export type CategoryInput = Readonly<Omit<Static<typeof categoryInputSchema>, 'vocabulary'>> & {
  readonly vocabulary: readonly string[];
};
/**
 * The numeric inputs, in the card's order, are the columns of the graph's first input; each category, in the card's order, is
 * a further input of one column.
 */
export type CardInput = ModelInput | CategoryInput;
/** Applied to a fact before it enters the graph. */
export type InputTransform = ModelInput['transform'];

export interface ModelCard extends Readonly<Omit<Static<typeof modelCardSchema>, 'inputs'>> {
  readonly inputs: readonly CardInput[];
  readonly [key: string]: unknown;
}

/** A TF.js LayersModel as stored in a release: topology and weights as TF.js writes them, and its card. */
export type ModelArtefact = Readonly<Omit<Static<typeof modelSchema>, 'card' | 'weightSpecs' | 'background'>> & {
  readonly background?: readonly (readonly (number | string | null)[])[];
  readonly weightSpecs: readonly Static<typeof weightSpecSchema>[];
  readonly card: ModelCard;
};

export interface Contribution {
  readonly fact: string;
  /** In logits; positive pushes towards fraud. */
  readonly contribution: number;
}

/** What computes the forward pass. `kernel` is ours and the same bit for bit everywhere; the others are TF.js's. */
export type Backend = 'kernel' | 'wasm' | 'tfjs-node';

/** A model bound to the frame layout of its release. */
export interface BoundModel {
  readonly id: string;
  /** SHA-256 of topology, weights and inputs, hexadecimal. */
  readonly version: string;
  /** `trees`: an imported tree ensemble, which has only this one. */
  readonly backend: Backend | 'trees';
  readonly inputs: readonly CardInput[];
  /**
   * Rows that explanations compare with, each as `gather` gives a row: the model's background, or one row of what is known of
   * the training data (the mean of each input; else what stands in for a missing fact).
   */
  readonly background: readonly Float64Array[];
  /** Fraud probabilities of rows 0 … frame.rows − 1; the same for a row whatever the batch it is in, bit for bit. */
  score(frame: Frame, probabilities: Float64Array): void;
  /** The inputs that moved this row's logit most against the training mean, largest magnitude first. */
  explain(frame: Frame, row: number, top: number): readonly Contribution[];
  /** A row of the frame as [input], in the card's order: a fact, NaN where missing, or a category's code. */
  gather(frame: Frame, row: number): Float64Array;
  /** Logits of rows as `gather` gives them, [row][input]. */
  logits(rows: Float64Array): Float64Array;
}

/**
 * Which backend an operator wants. `auto`: the kernel, or where it does not cover the model TF.js's WebAssembly: a decision
 * replays bit for bit on any machine. `fastest`: measured when the model is bound, among all that are installed; a replay is
 * then the same within 1e-5 on the probability.
 */
export type BackendChoice = Backend | 'auto' | 'fastest';

export interface BindOptions {
  /** Tree ensembles have one alone, and take no notice. */
  readonly backend?: BackendChoice | 'trees' | undefined;
  /** Where tfjs-node is installed, if not where its set-up puts it. */
  readonly tfjsNodeDirectory?: string | undefined;
}

/** @throws ModelError (as a rejection), a sentence for the operator */
export type BindModel = (artefact: ModelArtefact, layout: FrameLayout, options?: BindOptions) => Promise<BoundModel>;
