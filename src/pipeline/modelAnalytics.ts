/** What the analytics store says of models: the port, and what is asked of it. */
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

export interface ModelAnalytics {
  /** Rejects with AnalyticsUnavailable where the store is away. */
  modelHealth(query: ModelHealthQuery): Promise<ModelHealth>;
  modelComparison(query: ComparisonQuery): Promise<ModelComparison>;
}
