/** A decision as answered to the caller and recorded; see the public contract for the JSON form. */
export type Action = 'allow' | 'hold';

/** Every stage that can do less than its full work, in the fixed order in which `degraded` lists them. */
export const degradedStages = [
  'velocity:unavailable',
  'velocity:local',
  'model:unavailable',
  'model:deadline',
  'rules:error',
  'enrichment:unavailable',
] as const;
export type DegradedStage = (typeof degradedStages)[number];

export interface Reason {
  readonly code: string;
  readonly text: string;
  readonly weight: number;
}

export interface RuleHit {
  readonly id: string;
  readonly version: number;
}

export interface ModelResult {
  readonly id: string;
  /** SHA-256 of the model artefact, hexadecimal. */
  readonly version: string;
  readonly probability: number;
}

export interface Decision {
  readonly decisionId: string;
  readonly paymentId: string;
  readonly tenantId: string;
  readonly action: Action;
  readonly score: number;
  readonly reasons: readonly Reason[];
  readonly rules: readonly RuleHit[];
  readonly model: ModelResult | null;
  readonly releaseId: string;
  readonly degraded: readonly DegradedStage[];
  readonly mode: 'live';
  readonly occurredAt: string;
  readonly decidedAt: string;
  readonly latencyMicros: number;
}
