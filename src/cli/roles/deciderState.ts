/** How a decider is: for readiness and metrics. */
import type { Registry } from 'prom-client';
import { collectDefaultMetrics } from 'prom-client';
import { registerGauge } from '../../pipeline/metrics.ts';
import type { DependencyState } from '../../pipeline/service.ts';
import type { Decider } from './decider.ts';

type Parts = Pick<Decider, 'log' | 'redis' | 'velocity' | 'store' | 'spool' | 'pipeline'>;

export function deciderDependencies({ redis, velocity, store, spool, pipeline }: Parts): readonly DependencyState[] {
  const spooled = spool.state();
  const state = velocity.state();
  const claims = store.state();
  const stages = pipeline
    .stageStates()
    .map(({ name, state: up }): DependencyState => ({ name, state: up === 'up' ? 'up' : 'degraded' }));
  return [
    spooled.spooling
      ? { name: 'kafka', state: 'degraded', detail: `${spooled.messages} decisions wait on this machine's disk` }
      : { name: 'kafka', state: 'up' },
    redis.ready && state.state === 'up' && claims.cache === 'up'
      ? { name: 'redis', state: 'up' }
      : { name: 'redis', state: 'degraded', detail: `${state.backlog} payments wait, ${state.dropped} were dropped` },
    ...stages,
  ];
}

export function registerDeciderGauges(
  registry: Registry,
  { log, redis, velocity, store, spool, pipeline }: Parts,
): void {
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number): void =>
    registerGauge(registry, `holdfast_${name}`, help, read);
  gauge('in_flight_payments', 'Payments accepted and not yet answered.', () => pipeline.inFlight);
  gauge('redis_up', '1 while Redis answers in time, 0 while payments are decided without it.', () =>
    redis.ready && velocity.state().state === 'up' ? 1 : 0,
  );
  gauge('kafka_spooling', '1 while decisions go to the disk, since Kafka does not take them.', () =>
    spool.state().spooling ? 1 : 0,
  );
  gauge('spool_messages', 'Decisions on disk that Kafka does not have yet.', () => spool.state().messages);
  gauge('spool_bytes', 'Bytes of them.', () => spool.state().bytes);
  gauge('spool_refused', 'Decisions for which there was no room.', () => spool.state().refused);
  gauge('kafka_queue_bytes', 'Bytes appended and not yet acknowledged.', () => log.queuedBytes);
  gauge('velocity_backlog_payments', 'Payments that Redis is still to count.', () => velocity.state().backlog);
  gauge('velocity_dropped_payments', 'Payments that Redis will never count.', () => velocity.state().dropped);
  gauge('claims_unclaimed', 'Decisions made while Redis was away and not yet claimed.', () => store.state().unclaimed);
  gauge('claims_conflicts', 'Payments decided twice while Redis was away.', () => store.state().conflicts);
}
