/** What the analytics store says of models: the port, and what is asked of it. */
import type { HealthMeasure } from './healthMeasures.ts';
import type { ParityState } from './parityJob.ts';
import type { ParityReport } from './parityTypes.ts';
import type { ComparedModel } from '../models/monitoring/comparison.ts';
import type { ModelHealth } from '../models/monitoring/health.ts';
import type { PopulationReference } from '../models/monitoring/reference.ts';

export interface ModelWindow {
  readonly tenantId: string;
  /** decidedAt in [fromMs, toMs). */
  readonly fromMs: number;
  readonly toMs: number;
  /** A payment decided before this, and without a label since, is taken as legitimate; without it, only labels count. */
  readonly assumedBeforeMs?: number;
}

export interface ModelInputQuery {
  readonly fact: string;
  /** Of a category: its values, in the order of their codes. */
  readonly vocabulary?: readonly string[];
}

export interface ModelHealthQuery extends ModelWindow {
  readonly version: string;
  readonly role: 'champion' | 'challenger';
  readonly inputs: readonly ModelInputQuery[];
  /** Which of the facts are features, with columns of their own. */
  readonly features: readonly string[];
  readonly reference?: PopulationReference;
}

export interface ComparisonQuery extends ModelWindow {
  readonly champion: { readonly id: string; readonly version: string };
  readonly challengers: readonly { readonly id: string; readonly version: string }[];
  readonly seed: number;
}

export interface ModelComparison {
  /** Payments that all of the models scored and whose truth is known; what is measured is at most `rowsMax` of them. */
  readonly known: number;
  readonly rows: number;
  readonly frauds: number;
  readonly customers: number;
  /** The champion first. */
  readonly models: readonly ComparedModel[];
}

/** How a model was at a time. */
export interface HealthRecord {
  readonly tenantId: string;
  readonly atMs: number;
  readonly model: { readonly id: string; readonly version: string; readonly role: 'champion' | 'challenger' };
  readonly measures: readonly HealthMeasure[];
}

/** What a check of recorded features came to. */
export interface ParityRecord {
  readonly atMs: number;
  readonly report: ParityReport;
}

export interface ModelAnalytics {
  /** Rejects with AnalyticsUnavailable where the store is away. */
  modelHealth(query: ModelHealthQuery): Promise<ModelHealth>;
  modelComparison(query: ComparisonQuery): Promise<ModelComparison>;
  /** Written again for the same time, it stands once. */
  recordHealth(record: HealthRecord): Promise<void>;
  recordParity(record: ParityRecord): Promise<void>;
  /** What the checks of [fromMs, toMs) came to; mismatches of other tenants are counted, not shown. Undefined where there was none. */
  parityOf(window: ModelWindow): Promise<ParityState | undefined>;
}
