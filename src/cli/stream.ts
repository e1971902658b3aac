/** `holdfast stream`: payments from Kafka become decisions on Kafka; as many processes as there are partitions. */
import { Command } from 'commander';
import type { Logger } from 'pino';
import { createStepMarks } from '../adapters/redis/stepMarks.ts';
import { createProbe } from '../api/probe.ts';
import { systemClock } from '../pipeline/clock.ts';
import { LabelConsumer } from '../pipeline/labelConsumer.ts';
import { registerGauge } from '../pipeline/metrics.ts';
import { StreamConsumer, streamGroup } from '../pipeline/stream.ts';
import { createLabelApplier } from './roles/applyLabels.ts';
import { type Decider, openDecider } from './roles/decider.ts';
import { loadRoleEnvironment, type RoleEnvironment } from './roles/environment.ts';
import { bundleOf, defaultRelease, endFor, roleLogger, startFailure, startOn, stopGracefully } from './roles/run.ts';

/** Nobody waits: rather late than degraded. */
const redisMs = 500;
const spoolAfterMs = 2_000;
const lagRefreshMs = 1_000;
const tenantId = 'default';

async function run(environment: RoleEnvironment<'kafka' | 'redis'>, decider: Decider, logger: Logger): Promise<void> {
  const { log, store, pipeline, metrics, registry } = decider;
  const shared = { log, clock: systemClock, onDeadLetter: (code: string) => metrics.deadLetter(code) };
  const payments = new StreamConsumer({
    ...shared,
    tenantId,
    store,
    pipeline,
    marks: createStepMarks(decider.redis, streamGroup),
    onFailure: (error) => logger.error({ err: error }, 'the stream reads its last messages again'),
    onDead: endFor(logger, 'the stream of payments has ended'),
  });
  const labels = new LabelConsumer({
    ...shared,
    apply: createLabelApplier(decider, tenantId),
    onFailure: (error) => logger.error({ err: error }, 'the last labels are read again'),
    onDead: endFor(logger, 'the stream of labels has ended'),
  });
  let lag = 0;
  registerGauge(registry, 'holdfast_stream_lag_messages', 'Messages on the payments topic not yet decided.', () => lag);
  const lagTimer = setInterval(() => {
    payments.lag().then(
      (messages) => {
        lag = messages;
      },
      () => {},
    );
  }, lagRefreshMs);
  const probe = await createProbe({ service: decider.service, metrics: registry });
  const address = await probe.listen({ host: environment.host, port: environment.port });
  process.stdout.write(`streaming, ${address}/readyz\n`);
  payments.start();
  labels.start();
  stopGracefully(logger, async () => {
    clearInterval(lagTimer);
    await Promise.all([payments.stop(), labels.stop()]);
    await probe.close();
    await decider.close();
  });
}

async function stream({ release }: { readonly release: string }): Promise<void> {
  const environment = loadRoleEnvironment('stream', ['kafka', 'redis']);
  const logger = roleLogger(environment);
  try {
    const bundle = await bundleOf(release, environment.dataDir);
    const decider = await openDecider({ environment, bundle, logger, redisMs, spoolAfterMs });
    await startOn(decider, () => run(environment, decider, logger));
  } catch (error) {
    throw startFailure(error);
  }
}

export function streamCommand(): Command {
  return new Command('stream')
    .option('--release <id or directory>', 'the release to decide with', defaultRelease)
    .action(stream);
}
