/**
 * How the models of the release in use are, as metrics. Series are bounded: a model's place in the release and its inputs,
 * which are the release's own facts; nothing that a payment or a caller brought.
 */
import { Gauge, type Registry } from 'prom-client';
import type { ModelHealth } from '../models/monitoring/health.ts';
import { healthMeasures } from '../pipeline/healthMeasures.ts';
import type { ModelsService, ReleasedModel } from '../pipeline/models.ts';

const tenantId = 'default';
/** Over which time, and how often. */
const windowMs = 7 * 86_400_000;
const refreshMs = 5 * 60_000;
/** As long as nothing is known: after a start, or while the store is away. */
const retryMs = 30_000;

/** By the name of a measure (healthMeasures.ts): what it says, and the label that its input stands in. */
const helps = {
  psi: ['Population stability index of an input or the score against training.', 'input'],
  psi_by_chance: ['What the index would be about, had nothing moved.', 'input'],
  missing_ratio: ['Share of payments without a value of the input.', 'input'],
  scored_payments: ['Payments that the model scored.', undefined],
  labelled_payments: ['Of those, payments with a label.', undefined],
  label_delay_seconds: ['From a payment to its label.', 'quantile'],
  calibration_error: ['Expected calibration error on labelled payments.', undefined],
  expected_frauds: ['Sum of the probabilities of labelled payments.', undefined],
  observed_frauds: ['Frauds among labelled payments.', undefined],
  alert_precision: ['Of labelled payments that were (or would be) held, the share of fraud.', undefined],
  alert_recall: ['Of labelled fraud, the share that was (or would be) held.', undefined],
} as const satisfies Readonly<Record<string, readonly [string, 'input' | 'quantile' | undefined]>>;

type Instruments = ReadonlyMap<string, { readonly gauge: Gauge; readonly label: 'input' | 'quantile' | undefined }>;

function instruments(registry: Registry): Instruments {
  const registers = [registry];
  const made = Object.entries(helps).map(([name, [help, label]]) => {
    const labelNames = label === undefined ? ['model'] : ['model', label];
    const gauge = new Gauge({ name: `holdfast_model_${name}`, help: `${help} Over 7 days.`, labelNames, registers });
    return [name, { gauge, label }] as const;
  });
  return new Map(made);
}

interface Found {
  /** Its place in the release. */
  readonly name: string;
  readonly model: ReleasedModel;
  readonly health: ModelHealth;
}

/** What is not known any more is not shown any more: all of them are set anew at once. */
function set(gauges: Instruments, found: readonly Found[]): void {
  for (const { gauge } of gauges.values()) gauge.reset();
  for (const { name: model, health } of found) {
    for (const { name, input, value } of healthMeasures(health)) {
      const { gauge, label } = gauges.get(name) ?? {};
      gauge?.set(label === undefined ? { model } : { model, [label]: input }, value);
    }
  }
}

/**
 * Brings the gauges up to date once, and writes down what they are. What cannot be had keeps its last value.
 * @returns whether anything was scored
 */
async function refreshModels(gauges: Instruments, models: ModelsService, nowMs: number): Promise<boolean> {
  let challengers = 0;
  const found: Found[] = [];
  // Several processes that measure at about the same time write the same rows.
  const atMs = Math.floor(nowMs / refreshMs) * refreshMs;
  for (const model of models.list()) {
    const name = model.role === 'champion' ? 'champion' : `challenger-${++challengers}`;
    const health = await models.health(model, { tenantId, fromMs: nowMs - windowMs, toMs: nowMs });
    found.push({ name, model, health });
  }
  set(gauges, found);
  for (const { model, health } of found) await models.record(model, tenantId, atMs, health);
  return found.some(({ health }) => health.scored > 0);
}

export interface ModelGauges {
  /** Brings them up to date now; resolves also where the store is away. */
  refresh(): Promise<void>;
  /** Waits for the refresh under way. */
  stop(): Promise<void>;
}

export function startModelGauges(registry: Registry, models: ModelsService): ModelGauges {
  const gauges = instruments(registry);
  let last: Promise<boolean> = Promise.resolve(false);
  let timer: NodeJS.Timeout;
  const refresh = (): Promise<boolean> => {
    // The store may be away; the next time it may not.
    last = last.then(() => refreshModels(gauges, models, Date.now())).catch(() => false);
    return last;
  };
  let stopped = false;
  const refreshIn = (ms: number): void => {
    if (stopped) return;
    timer = setTimeout(() => void refresh().then((known) => refreshIn(known ? refreshMs : retryMs)), ms);
  };
  refreshIn(retryMs);
  return {
    async refresh() {
      await refresh();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await last;
    },
  };
}
