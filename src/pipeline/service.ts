/** What the API needs of the pipeline; implemented by `pipeline.ts`. */
import type { Decision } from '../domain/decision.ts';
import type { Label } from '../domain/label.ts';
import type { PaymentJson } from '../domain/payment.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { ExplainedNode } from '../rules/types.ts';
import type { DecisionExplanation } from './explanation.ts';

export type DecideResult =
  | { readonly kind: 'decided'; readonly decision: Uint8Array; readonly replay: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'conflict'; readonly paymentId: string }
  | { readonly kind: 'unavailable'; readonly code: string; readonly retryAfterSeconds: number };

/** A feature as it was used; `value` is null where it was missing, `bound` the largest possible distance from the true value. */
export interface FeatureView {
  readonly value: number | null;
  readonly exact?: false;
  readonly bound?: number;
}

export interface RecordedDecisionView {
  readonly decision: Decision;
  /** As it was sent. */
  readonly payment: PaymentJson;
  readonly features: Readonly<Record<string, FeatureView>>;
  /** Evaluation tree of every rule that fired, with the values seen. */
  readonly explanation: readonly { readonly ruleId: string; readonly text: string; readonly tree: ExplainedNode }[];
  readonly labels: readonly Label[];
}

export interface DependencyState {
  readonly name: string;
  readonly state: 'up' | 'degraded' | 'down';
  readonly detail?: string;
}

export interface DecisionService {
  /** `body` is one payment's JSON; `receivedAtMs` and `deadlineMs` bound the answer (performance.now() clock). */
  decide(tenantId: string, body: Uint8Array, receivedAtMs: number, deadlineMs: number): Promise<DecideResult>;
  /** Rejects with DecisionsUnavailable when it cannot be told whether there is one. */
  get(tenantId: string, paymentId: string): Promise<RecordedDecisionView | undefined>;
  /**
   * Why a recorded decision came out so, and what would have changed it. `busy`: as many are being computed as may be at a time.
   * Rejects as `get` does.
   */
  explain(tenantId: string, paymentId: string): Promise<DecisionExplanation | 'busy' | undefined>;
  /** `unknown`: no such payment. `unavailable`: it could not be made durable, nothing changed. */
  label(
    tenantId: string,
    labels: readonly Label[],
  ): Promise<readonly ('recorded' | 'already' | 'unknown' | 'unavailable')[]>;
  /** Able to decide, and each dependency's state. */
  readiness(): { readonly ready: boolean; readonly dependencies: readonly DependencyState[] };
}
