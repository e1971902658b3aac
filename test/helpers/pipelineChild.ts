/** The pipeline over the embedded ports in a process of its own, to be killed: payments come and answers go by IPC. */
import { resolve } from 'node:path';
import { Registry } from 'prom-client';
import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import { openEmbedded } from '../../src/adapters/sqlite/open.ts';
import { systemClock } from '../../src/pipeline/clock.ts';
import { createPipelineMetrics } from '../../src/pipeline/metrics.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { readReleaseDirectory, ReleaseStore } from '../../src/releases/store.ts';

export interface ChildRequest {
  readonly number: number;
  readonly body: string;
}
export interface ChildAnswer {
  readonly number: number;
  readonly kind: string;
  readonly decision: string | undefined;
}

const deadlineMs = 30_000;
const dataDirectory = process.argv[2];
if (dataDirectory === undefined) throw new Error('usage: pipelineChild.ts DATA_DIR');

const release = await new ReleaseStore(dataDirectory).add(
  await readReleaseDirectory(resolve(import.meta.dirname, '../../config/default')),
);
const embedded = await openEmbedded(dataDirectory, {});
const velocity = await embedded.velocity((hooks) => createVelocityMemory(release.features, hooks));
const pipeline = new Pipeline({
  release,
  store: embedded.decisions,
  velocity,
  pool: undefined,
  clock: systemClock,
  metrics: createPipelineMetrics(new Registry()),
  onStageFailure: (stage, failure, error) => process.stderr.write(`${stage} ${failure} ${String(error)}\n`),
});

process.on('message', (request: ChildRequest) => {
  const nowMs = performance.now();
  void pipeline.decide('default', Buffer.from(request.body), nowMs, nowMs + deadlineMs).then((result) => {
    const decision = result.kind === 'decided' ? Buffer.from(result.decision).toString() : undefined;
    process.send?.({ number: request.number, kind: result.kind, decision } satisfies ChildAnswer);
  });
});
process.send?.('ready');
