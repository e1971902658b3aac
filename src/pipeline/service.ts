/** What the API needs of the pipeline; implemented by `pipeline.ts`. */
import type { Label } from '../domain/label.ts';
import type { ExplainedNode } from '../rules/types.ts';

/** One thing wrong with one field: `pointer` is an RFC 6901 JSON pointer, `''` for the whole document. */
export interface FieldProblem {
  readonly pointer: string;
  readonly code: string;
  readonly message: string;
}

/** `code` is a key of the error table in src/domain/errors.ts. */
export interface Refusal {
  readonly code: string;
  readonly fields: readonly FieldProblem[];
}

export type DecideResult =
  | { readonly kind: 'decided'; readonly decision: Uint8Array; readonly replay: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'conflict'; readonly paymentId: string }
  | { readonly kind: 'unavailable'; readonly code: string; readonly retryAfterSeconds: number };

export interface RecordedDecisionView {
  readonly decision: Record<string, unknown>;
  readonly payment: Record<string, unknown>;
  readonly features: Readonly<Record<string, { value: number | null; exact?: false; bound?: number }>>;
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
  get(tenantId: string, paymentId: string): Promise<RecordedDecisionView | undefined>;
  /** `unknown`: no such payment. `unavailable`: it could not be made durable, nothing changed. */
  label(
    tenantId: string,
    labels: readonly Label[],
  ): Promise<readonly ('recorded' | 'already' | 'unknown' | 'unavailable')[]>;
  /** Able to decide, and each dependency's state. */
  readiness(): { readonly ready: boolean; readonly dependencies: readonly DependencyState[] };
}
