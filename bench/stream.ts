/** `stream`: payments in the embedded log → durable decisions, with the default release and the scoring pool. */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Registry } from 'prom-client';
import { createVelocityMemory } from '../src/adapters/memory/velocity.ts';
import { openEmbedded } from '../src/adapters/sqlite/open.ts';
import { createScoringPool } from '../src/adapters/threads/scoringPool.ts';
import { systemClock } from '../src/pipeline/clock.ts';
import type { PipelineMetrics } from '../src/pipeline/metrics.ts';
import { createPipelineMetrics } from '../src/pipeline/metrics.ts';
import { Pipeline } from '../src/pipeline/pipeline.ts';
import type { ScoringPool } from '../src/pipeline/ports.ts';
import { topics } from '../src/pipeline/ports.ts';
import { StreamConsumer } from '../src/pipeline/stream.ts';
import { readReleaseDirectory, ReleaseStore } from '../src/releases/store.ts';
import { benchPayments } from './fixtures/payments.ts';
import { printMetric } from './lib.ts';

const payments = 500_000;
const appendChunk = 5_000;
/** Payments 10 s apart: 500,000 of them cover 58 days, the windows fill as they do in production. */
const stepMs = 10_000;
const populations = { customers: 20_000, terminals: 5_000 };
const pollMs = 20;

async function preload(log: Awaited<ReturnType<typeof openEmbedded>>['log']): Promise<void> {
  const fromMs = Date.now() - payments * stepMs;
  for (let done = 0; done < payments; done += appendChunk) {
    const options = { ...populations, count: appendChunk, seed: done, fromMs: fromMs + done * stepMs, stepMs };
    const messages = benchPayments(options).map((text) => ({ key: '', value: Buffer.from(text) }));
    await log.append(topics.payments, messages);
  }
}

async function drained(stream: StreamConsumer, metrics: PipelineMetrics): Promise<void> {
  while (metrics.snapshot().decisions < payments || (await stream.lag()) > 0)
    await new Promise((done) => setTimeout(done, pollMs));
}

async function measure(directory: string, withPool: boolean): Promise<number> {
  const release = await new ReleaseStore(directory).add(
    await readReleaseDirectory(resolve(import.meta.dirname, '../config/default')),
  );
  const embedded = await openEmbedded(directory, {});
  let pool: ScoringPool | undefined;
  try {
    await preload(embedded.log);
    const velocity = await embedded.velocity((hooks) => createVelocityMemory(release.features, hooks));
    if (withPool) {
      const made = createScoringPool(release, Math.max(1, availableParallelism() - 1));
      pool = made;
      await made.calibrate(release);
    }
    const metrics = createPipelineMetrics(new Registry());
    const pipeline = new Pipeline({
      release,
      store: embedded.decisions,
      velocity,
      pool,
      clock: systemClock,
      metrics,
      onStageFailure: (stage, failure, error) => process.stderr.write(`${stage}: ${failure} ${String(error)}\n`),
    });
    const stream = new StreamConsumer({
      log: embedded.log,
      store: embedded.decisions,
      pipeline,
      clock: systemClock,
      tenantId: 'default',
      onFailure: (error) => process.stderr.write(`${String(error)}\n`),
      onDead: (error) => process.stderr.write(`${String(error)}\n`),
      onDeadLetter: (code) => process.stderr.write(`dead letter: ${code}\n`),
    });
    const from = performance.now();
    stream.start();
    await drained(stream, metrics);
    const seconds = (performance.now() - from) / 1000;
    await stream.stop();
    return payments / seconds;
  } finally {
    await pool?.close();
    await embedded.close();
  }
}

export async function run(): Promise<void> {
  for (const scoring of ['pool', 'inline'] as const) {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-stream-'));
    try {
      const value = await measure(directory, scoring === 'pool');
      const metric = { bench: 'stream', metric: 'payments_per_s', value, unit: '1/s', scoring };
      printMetric({ ...metric, n: 1, spread: [value, value] });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
