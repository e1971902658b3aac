/** A recorded decision asked again with something changed: the whole path from the features to the policy, many variants at once. */
import type { Payment } from '../domain/payment.ts';
import type { Action } from '../domain/decision.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import { Batch } from './batch.ts';
import { outcomesOf } from './decide.ts';
import { fillBatch, scoreFrame } from './score.ts';

export interface Variant {
  readonly payment: Payment;
  readonly features: Float64Array;
}

export interface Rescored {
  readonly action: Action;
  readonly score: number;
  /** NaN where the model did not score. */
  readonly probability: number;
}

/** Variants scored at a time. */
export const variantsMax = 64;

export class Rescorer {
  readonly #batch: Batch;
  readonly #degraded: number;
  readonly #withModel: boolean;
  /** Variants scored so far. */
  scored = 0;

  /** @param degraded stages that the decision was without, as bits: every variant is without them too */
  constructor(release: CompiledRelease, degraded: number, withModel: boolean) {
    this.#batch = new Batch(release, variantsMax);
    this.#degraded = degraded;
    this.#withModel = withModel;
  }

  /** At most `variantsMax` variants. */
  score(variants: readonly Variant[]): readonly Rescored[] {
    const batch = this.#batch;
    batch.start(variants.map(({ payment }) => payment));
    batch.degraded.fill(this.#degraded, 0, variants.length);
    const width = batch.features.featureCount;
    variants.forEach(({ features }, row) => batch.features.values.set(features, row * width));
    fillBatch(batch);
    scoreFrame(batch.release, batch.frame, batch, this.#withModel);
    this.scored += variants.length;
    return outcomesOf(batch).map(({ action, score }, row) => ({
      action,
      score,
      probability: batch.probabilities[row] as number,
    }));
  }
}
