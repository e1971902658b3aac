/** Gauges of the embedded system: every queue, lag and size that an operator is asked about. */
import type { Registry } from 'prom-client';
import { collectDefaultMetrics } from 'prom-client';
import type { AnalyticsChild } from '../../adapters/clickhouse/childClient.ts';
import type { Embedded } from '../../adapters/sqlite/open.ts';
import { registerGauge } from '../../pipeline/metrics.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { registerParityCounters } from '../parityCounters.ts';
import { registerShadowGauges } from '../shadowGauges.ts';

export interface GaugeSources {
  readonly embedded: Embedded;
  readonly analytics: AnalyticsChild;
  readonly pipeline: Pipeline;
  readonly streamLag: () => number;
}

export function registerSystemGauges(registry: Registry, sources: GaugeSources): void {
  const { embedded, analytics, pipeline, streamLag } = sources;
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number): void =>
    registerGauge(registry, `holdfast_${name}`, help, read);
  gauge('in_flight_payments', 'Payments accepted and not yet answered.', () => pipeline.inFlight);
  gauge('stream_lag_messages', 'Messages on the payments topic not yet decided.', streamLag);
  gauge('journal_queue_calls', 'Writes waiting for the journal.', () => embedded.stats().queueDepth);
  gauge('journal_queue_bytes', 'Bytes of the writes waiting for the journal.', () => embedded.stats().queuedBytes);
  gauge('checkpoint_lag_rows', 'Journal rows that a crash now would replay.', () => embedded.stats().checkpointLagRows);
  gauge(
    'velocity_dirty_entities',
    'Entities changed since they were last stored.',
    () => embedded.stats().dirtyEntities,
  );
  gauge('analytics_lag_rows', 'Journal rows not yet in the analytics store.', () => analytics.state().lagRows);
  registerShadowGauges(registry, () => analytics.state().shadow);
  registerParityCounters(registry, () => analytics.state().parity);
  gauge('analytics_restarts', 'Restarts of the analytics process.', () => analytics.state().restarts);
}
