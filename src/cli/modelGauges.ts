/**
 * How the models of the release in use are, as metrics. Series are bounded: a model's place in the release and its inputs,
 * which are the release's own facts; nothing that a payment or a caller brought.
 */
import { Gauge, type Registry } from 'prom-client';
import type { ModelHealth, Stability } from '../models/monitoring/health.ts';
import type { ModelsService } from '../pipeline/models.ts';
import { registerParityCounters } from './parityCounters.ts';

const tenantId = 'default';
/** Over which time, and how often. */
const windowMs = 7 * 86_400_000;
const refreshMs = 5 * 60_000;
const firstMs = 30_000;
/** The score among the inputs: no fact has parentheses. */
const scoreName = '(score)';

interface Instruments {
  readonly psi: Gauge<'model' | 'input'>;
  readonly missing: Gauge<'model' | 'input'>;
  readonly scored: Gauge<'model'>;
  readonly labelled: Gauge<'model'>;
  readonly delay: Gauge<'model' | 'quantile'>;
  readonly calibration: Gauge<'model'>;
  readonly expected: Gauge<'model'>;
  readonly observed: Gauge<'model'>;
  readonly precision: Gauge<'model'>;
  readonly recall: Gauge<'model'>;
}

function instruments(registry: Registry): Instruments {
  const registers = [registry];
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> =>
    new Gauge({ name: `holdfast_model_${name}`, help: `${help} Over 7 days.`, labelNames, registers });
  return {
    psi: gauge('psi', 'Population stability index of an input or the score against training.', 'model', 'input'),
    missing: gauge('missing_ratio', 'Share of payments without a value of the input.', 'model', 'input'),
    scored: gauge('scored_payments', 'Payments that the model scored.', 'model'),
    labelled: gauge('labelled_payments', 'Of those, payments with a label.', 'model'),
    delay: gauge('label_delay_seconds', 'From a payment to its label.', 'model', 'quantile'),
    calibration: gauge('calibration_error', 'Expected calibration error on labelled payments.', 'model'),
    expected: gauge('expected_frauds', 'Sum of the probabilities of labelled payments.', 'model'),
    observed: gauge('observed_frauds', 'Frauds among labelled payments.', 'model'),
    precision: gauge(
      'alert_precision',
      'Of labelled payments that were (or would be) held, the share of fraud.',
      'model',
    ),
    recall: gauge('alert_recall', 'Of labelled fraud, the share that was (or would be) held.', 'model'),
  };
}

function show<Label extends string>(gauge: Gauge<Label>, labels: Record<Label, string>, value: number | null): void {
  if (value === null) gauge.remove(labels);
  else gauge.set(labels, value);
}

function set(gauges: Instruments, model: string, health: ModelHealth): void {
  const stability = (input: string, { psi }: Stability): void => show(gauges.psi, { model, input }, psi);
  stability(scoreName, health.score);
  for (const input of health.inputs) {
    stability(input.fact, input);
    show(gauges.missing, { model, input: input.fact }, input.missing);
  }
  const { labels, calibration, alerts } = health;
  gauges.scored.set({ model }, health.scored);
  gauges.labelled.set({ model }, labels.labelled);
  show(gauges.delay, { model, quantile: '0.5' }, labels.delaySeconds?.p50 ?? null);
  show(gauges.delay, { model, quantile: '0.9' }, labels.delaySeconds?.p90 ?? null);
  show(gauges.calibration, { model }, calibration.error);
  gauges.expected.set({ model }, calibration.expectedFrauds);
  gauges.observed.set({ model }, calibration.observedFrauds);
  show(gauges.precision, { model }, alerts.precision.value);
  show(gauges.recall, { model }, alerts.recall.value);
}

/** Brings the gauges up to date once. What cannot be had keeps its last value. */
async function refreshModels(gauges: Instruments, models: ModelsService, nowMs: number): Promise<void> {
  let challengers = 0;
  for (const model of models.list()) {
    const name = model.role === 'champion' ? 'champion' : `challenger-${++challengers}`;
    set(gauges, name, await models.health(model, { tenantId, fromMs: nowMs - windowMs, toMs: nowMs }));
  }
}

export interface ModelGauges {
  /** Brings them up to date now; resolves also where the store is away. */
  refresh(): Promise<void>;
  /** Waits for the refresh under way. */
  stop(): Promise<void>;
}

export function startModelGauges(registry: Registry, models: ModelsService): ModelGauges {
  const gauges = instruments(registry);
  registerParityCounters(registry, () => models.parity());
  let last: Promise<void> = Promise.resolve();
  const refresh = (): Promise<void> => {
    // The store may be away; the next time it may not.
    last = last.then(() => refreshModels(gauges, models, Date.now())).catch(() => {});
    return last;
  };
  const first = setTimeout(() => void refresh(), firstMs);
  const timer = setInterval(() => void refresh(), refreshMs);
  return {
    refresh,
    async stop() {
      clearTimeout(first);
      clearInterval(timer);
      await last;
    },
  };
}
