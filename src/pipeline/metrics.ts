/** The pipeline's metrics. Labels are bounded sets (actions, stages, error codes), never ids. */
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Batch } from './batch.ts';
import type { Item } from './item.ts';
import { degradedOf } from './serialise.ts';

/** The stages of a micro-batch, in order. `append` is the part of `record` that waits for the decisions topic, where there is one. */
export type PipelineStage = 'lookup' | 'enrich' | 'score' | 'decide' | 'record' | 'append';

export interface PipelineMetrics {
  batchDecided(batch: Batch, items: readonly Item[], nowMs: number): void;
  /** How long a stage took of a micro-batch. */
  stageTook(stage: PipelineStage, ms: number): void;
  refused(code: string): void;
  deadLetter(code: string): void;
  stageFailed(stage: string, failure: string): void;
  /** Figures for the live line. */
  snapshot(): LiveFigures;
}

export interface LiveFigures {
  readonly decisions: number;
  readonly holds: number;
  /** Of the last `recentLatencies` answers, milliseconds; NaN when there are none. */
  readonly p99Ms: number;
}

/** Answers over which the live line's p99 is taken. */
const recentLatencies = 2048;
const latencyBucketsSeconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5];
const batchBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

class RecentLatencies {
  readonly #ring = new Float64Array(recentLatencies);
  #count = 0;

  add(latencyMs: number): void {
    this.#ring[this.#count++ % recentLatencies] = latencyMs;
  }

  p99(): number {
    const used = Math.min(this.#count, recentLatencies);
    if (used === 0) return Number.NaN;
    const sorted = this.#ring.slice(0, used).sort();
    return sorted[Math.min(used - 1, Math.floor(used * 0.99))] as number;
  }
}

function instruments(registry: Registry) {
  const registers = [registry];
  return {
    decisions: new Counter({
      name: 'holdfast_decisions_total',
      help: 'Durable decisions by action.',
      labelNames: ['action'],
      registers,
    }),
    degraded: new Counter({
      name: 'holdfast_degraded_decisions_total',
      help: 'Decisions made without the full work of a stage.',
      labelNames: ['stage'],
      registers,
    }),
    refused: new Counter({
      name: 'holdfast_refused_payments_total',
      help: 'Payments refused before they changed anything, by error code.',
      labelNames: ['code'],
      registers,
    }),
    deadLetters: new Counter({
      name: 'holdfast_dead_letters_total',
      help: 'Messages put on the dead-letter topic, by error code.',
      labelNames: ['code'],
      registers,
    }),
    stageFailures: new Counter({
      name: 'holdfast_stage_failures_total',
      help: 'Calls of a stage that failed, by kind.',
      labelNames: ['stage', 'failure'],
      registers,
    }),
    latency: new Histogram({
      name: 'holdfast_decision_seconds',
      help: 'From receipt of a payment to its durable decision.',
      buckets: latencyBucketsSeconds,
      registers,
    }),
    stages: new Histogram({
      name: 'holdfast_stage_seconds',
      help: 'How long each stage took of a micro-batch.',
      labelNames: ['stage'],
      buckets: latencyBucketsSeconds,
      registers,
    }),
    batchRows: new Histogram({
      name: 'holdfast_batch_rows',
      help: 'Payments in a micro-batch.',
      buckets: batchBuckets,
      registers,
    }),
  };
}

export function createPipelineMetrics(registry: Registry): PipelineMetrics {
  const { decisions, degraded, refused, deadLetters, stageFailures, latency, stages, batchRows } =
    instruments(registry);
  const recent = new RecentLatencies();
  let total = 0;
  let holds = 0;
  return {
    batchDecided(batch, items, nowMs) {
      let held = 0;
      let recorded = 0;
      for (const item of items) {
        const { outcome, row } = item;
        if (outcome?.kind !== 'decided' || outcome.replay) continue;
        recorded++;
        held += batch.held[row] as number;
        const bits = batch.degraded[row] as number;
        if (bits !== 0) for (const stage of degradedOf(bits)) degraded.inc({ stage });
        const latencyMs = nowMs - item.receivedAtMs;
        latency.observe(latencyMs / 1000);
        recent.add(latencyMs);
      }
      total += recorded;
      holds += held;
      if (held > 0) decisions.inc({ action: 'hold' }, held);
      if (recorded > held) decisions.inc({ action: 'allow' }, recorded - held);
      batchRows.observe(items.length);
    },
    stageTook: (stage, ms) => stages.observe({ stage }, ms / 1000),
    refused: (code) => refused.inc({ code }),
    deadLetter: (code) => deadLetters.inc({ code }),
    stageFailed: (stage, failure) => stageFailures.inc({ stage, failure }),
    snapshot: () => ({ decisions: total, holds, p99Ms: recent.p99() }),
  };
}

/** Gauges read when scraped: queues, lags and sizes, each by name. */
export function registerGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
