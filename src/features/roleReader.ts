/**
 * Features of a payment's entity in another role, from the state that other payments made: all of it lies before the
 * payment's own moment. What happens at the same moment is not looked at, so the values do not depend on which of two
 * payments of one moment came first, and a payment to oneself does not count for itself.
 */
import type { ValueSets } from './common.ts';
import { Evaluation } from './evaluation.ts';
import { FoldedWindows } from './folded.ts';
import type { FeatureMatrix } from './frame.ts';
import type { EntityPlan } from './plan.ts';
import { headerBytes, StateCell } from './state.ts';

export class RoleReader {
  readonly plan: EntityPlan;
  readonly #evaluation: Evaluation;
  readonly #folded = new FoldedWindows();
  /** The state of an entity that was never seen in the role: its windows are empty, it is not unknown. */
  readonly #unseen = new StateCell();

  constructor(plan: EntityPlan) {
    this.plan = plan;
    this.#evaluation = new Evaluation(plan);
    const bytes = new Uint8Array(headerBytes);
    this.#unseen.create(plan, new DataView(bytes.buffer), bytes, 0);
  }

  /** Writes the features as of `timeMs` into row `row` (an offset) of the matrix. @param seen undefined where there is no state */
  write(seen: StateCell | undefined, timeMs: number, out: FeatureMatrix, row: number, sets?: ValueSets): void {
    const cell = seen ?? this.#unseen;
    const evaluation = this.#evaluation;
    const end = cell.upperBound(timeMs - 1);
    evaluation.folded = cell.folded && timeMs <= cell.completeSinceMs;
    evaluation.runAt(cell, timeMs, end);
    if (sets !== undefined) evaluation.gather(cell, sets);
    if (cell.folded && (end === 0 || timeMs - this.plan.reachMs < cell.completeSinceMs)) {
      this.#folded.write(cell, evaluation, out.values, out.bounds, row);
      return;
    }
    evaluation.write(cell, out.values, row);
    const { featureIndexes } = this.plan;
    for (let i = 0; i < featureIndexes.length; i++) out.bounds[row + (featureIndexes[i] as number)] = 0;
  }
}
