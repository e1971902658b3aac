/** A model's health as a list of numbers: what is written down of it, and shown as metrics. */
import type { ModelHealth, Stability } from '../models/monitoring/health.ts';

export interface HealthMeasure {
  /** As the metric `holdfast_model_NAME`. */
  readonly name: string;
  /** An input of the model, `(score)`, or a quantile; empty for what is of the model as a whole. */
  readonly input: string;
  readonly value: number;
}

/** The score among the inputs: no fact has parentheses. */
const scoreInput = '(score)';

/** What is known; a measure that cannot be had is not in the list. */
export function healthMeasures(health: ModelHealth): readonly HealthMeasure[] {
  const { labels, calibration, alerts } = health;
  const measures: HealthMeasure[] = [];
  const add = (name: string, input: string, value: number | null | undefined): void => {
    if (value !== null && value !== undefined) measures.push({ name, input, value });
  };
  const stability = (input: string, { psi, psiByChance }: Stability): void => {
    add('psi', input, psi);
    add('psi_by_chance', input, psiByChance);
  };
  stability(scoreInput, health.score);
  for (const input of health.inputs) {
    stability(input.fact, input);
    add('missing_ratio', input.fact, input.missing);
  }
  add('scored_payments', '', health.scored);
  add('labelled_payments', '', labels.labelled);
  add('label_delay_seconds', '0.5', labels.delaySeconds?.p50);
  add('label_delay_seconds', '0.9', labels.delaySeconds?.p90);
  add('calibration_error', '', calibration.error);
  add('expected_frauds', '', calibration.expectedFrauds);
  add('observed_frauds', '', calibration.observedFrauds);
  add('alert_precision', '', alerts.precision.value);
  add('alert_recall', '', alerts.recall.value);
  return measures;
}
