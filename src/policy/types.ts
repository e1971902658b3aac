import type { Action, DegradedStage, Reason } from '../domain/decision.ts';
import type { Payment } from '../domain/payment.ts';
import type { Contribution } from '../models/types.ts';
import type { RuleMeta } from '../rules/types.ts';

/** All that a decision depends on; pure data. */
export interface PolicyInput {
  readonly payment: Payment;
  /** NaN when the model did not score. */
  readonly probability: number;
  readonly hits: readonly RuleMeta[];
  /** Text of each hit with its placeholders filled, same order as `hits`. */
  readonly hitTexts: readonly string[];
  readonly degraded: readonly DegradedStage[];
  /**
   * The model inputs that moved this payment most, largest first; called only when a reason of the model is given
   * (it costs about as much as scoring). Empty without a model.
   */
  readonly contributions: (top: number) => readonly Contribution[];
}

export interface PolicyOutcome {
  readonly action: Action;
  /** A probability in [0, 1]. */
  readonly score: number;
  readonly reasons: readonly Reason[];
}

export interface CompiledPolicy {
  decide(input: PolicyInput): PolicyOutcome;
}
