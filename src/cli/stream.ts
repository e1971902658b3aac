/** `holdfast stream`: payments from Kafka become decisions on Kafka; as many processes as there are partitions. */
import type { Command } from 'commander';
import { createStepMarks } from '../adapters/redis/stepMarks.ts';
import { createProbe } from '../api/probe.ts';
import { systemClock } from '../pipeline/clock.ts';
import { LabelConsumer } from '../pipeline/labelConsumer.ts';
import { registerGauge } from '../pipeline/metrics.ts';
import { StreamConsumer, streamGroup } from '../pipeline/stream.ts';
import { createLabelApplier } from './roles/applyLabels.ts';
import { streamWaits } from './roles/composeDecider.ts';
import { decidingCommand, type Starting } from './roles/decidingRole.ts';
import { endFor } from './roles/run.ts';

const lagRefreshMs = 1_000;
const tenantId = 'default';

async function start({ environment, decider, logger, opened }: Starting): Promise<void> {
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
  const probe = await createProbe({ service: decider.service, metrics: registry });
  opened.defer(() => probe.close());
  const address = await probe.listen({ host: environment.host, port: environment.port });
  process.stdout.write(`streaming, ${address}/readyz\n`);
  payments.start();
  labels.start();
  const lagTimer = setInterval(() => {
    payments.lag().then(
      (messages) => {
        lag = messages;
      },
      () => {},
    );
  }, lagRefreshMs);
  opened.defer(async () => {
    clearInterval(lagTimer);
    await Promise.all([payments.stop(), labels.stop()]);
  });
}

export const streamCommand = (): Command => decidingCommand({ role: 'stream', waits: streamWaits, start });
