/** What scoring the challengers comes to, as gauges of the process that does it. */
import type { Registry } from 'prom-client';
import { registerGauge } from '../pipeline/metrics.ts';
import type { ShadowStats } from '../pipeline/shadow.ts';

export function registerShadowGauges(registry: Registry, stats: () => ShadowStats): void {
  const gauge = (name: keyof ShadowStats, help: string): void =>
    registerGauge(registry, `holdfast_shadow_${name}`, help, () => stats()[name]);
  gauge('scored', 'Scores of challengers since the start of the sink.');
  gauge('dropped', 'Decisions that challengers were not scored on, for the bounds on a block.');
  gauge('failed', 'Decisions on which a challenger failed, or whose release the sink cannot read.');
}
