/**
 * `soak`: ten minutes of payments at 70 % of the maximum, over a real Kafka and Redis. Memory must not grow, nothing pile up, and latency
 * stay what it was. The maximum is what the same process decided a second just before, fed with more than it can decide, by the same feeder
 * on the same cores. BENCH_SECONDS makes it shorter, BENCH_RATE leaves out the measuring.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { topics } from '../src/pipeline/ports.ts';
import { failed } from '../src/config/exit.ts';
import { type DecisionSampler, type LatencySample, sampleDecisions } from './fixtures/decisionSampler.ts';
import { percentile } from './fixtures/openLoop.ts';
import { residentBytesOf } from './fixtures/realEngines.ts';
import { openStreamBench } from './fixtures/streamBench.ts';
import { streamReleases } from './fixtures/streamReleases.ts';
import { type Bench, startStream } from './fixtures/streamRuns.ts';
import { type Ends, sum } from './fixtures/streamTopics.ts';
import { type Server, temporaryDirectory } from './fixtures/upProcess.ts';
import { printMetric, sizeOf } from './lib.ts';

const release = 'twenty';
/** More than two cores decide, and for so long; the first part warms up. */
const overload = { perSecond: 12_000, seconds: 60, warmUpSeconds: 20 } as const;
/** After it, and after the soak: its backlog is what it was fed too much. */
const overloadDrainSecondsMax = 300;
const loadShare = 0.7;
/** Left out of slopes and percentiles: what is compiled, cached and kept by then is about all that will be. */
const warmUpShare = 0.2;
const sampleMs = 1_000;
const drainSecondsMax = 60;
const denseStepMs = 10;
const megabyte = 2 ** 20;

interface MemorySample {
  readonly atMs: number;
  readonly bytes: number;
}

/** Least squares: bytes a millisecond. */
function slopeOf(samples: readonly MemorySample[]): number {
  const meanAt = sum(samples.map(({ atMs }) => atMs)) / samples.length;
  const meanBytes = sum(samples.map(({ bytes }) => bytes)) / samples.length;
  const covariance = sum(samples.map(({ atMs, bytes }) => (atMs - meanAt) * (bytes - meanBytes)));
  return covariance / sum(samples.map(({ atMs }) => (atMs - meanAt) ** 2));
}

function percentileOf(samples: readonly LatencySample[], share: number): number {
  const sorted = samples.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  return percentile(sorted, share);
}

interface Soaked {
  readonly memory: readonly MemorySample[];
  readonly latencies: readonly LatencySample[];
  readonly backlogAtEnd: number;
  readonly backlogMax: number;
  /** Undefined: not within `drainSecondsMax`. */
  readonly drainedInMs: number | undefined;
  readonly payments: number;
}

interface Feed {
  /** Resolves with how many payments it was, rejects when the feeder ended early. */
  readonly sent: Promise<number>;
  running(): boolean;
}

/** @param number another for every feed of the run */
function startFeed({ engines }: Bench, rate: number, seconds: number, number: number): Feed {
  const program = resolve(import.meta.dirname, 'fixtures/paymentFeed.ts');
  const feed = fork(program, [engines.kafka.brokers, ...[rate, seconds, number].map(String)], { stdio: 'inherit' });
  const fed = once(feed, 'message') as Promise<[number]>;
  const ended = once(feed, 'exit').then(() => {
    throw failed('the feed ended early');
  });
  // It always ends; only if that comes first does it matter.
  ended.catch(() => {});
  const state = { running: true };
  const sent = Promise.race([fed, ended])
    .then(([payments]) => payments)
    .finally(() => {
      state.running = false;
    });
  sent.catch(() => {});
  return { sent, running: () => state.running };
}

/** Decisions a second under a load that is too high, and then everything decided. */
async function measureMaximum(bench: Bench): Promise<number> {
  const { topics: log } = bench;
  const first = await log.ends(topics.decisions);
  const feed = startFeed(bench, overload.perSecond, overload.seconds, 0);
  await sleep(overload.warmUpSeconds * 1000);
  const [from, fromMs] = [sum(await log.ends(topics.decisions)), performance.now()];
  const payments = await feed.sent;
  const perSecond = ((sum(await log.ends(topics.decisions)) - from) * 1000) / (performance.now() - fromMs);
  await log.until(topics.decisions, first, payments, overloadDrainSecondsMax);
  return perSecond;
}

/** Feeds, watches, and waits until everything that was fed is decided. */
async function soak(
  bench: Bench,
  stream: Server,
  sampler: DecisionSampler,
  rate: number,
  seconds: number,
): Promise<Soaked> {
  const { topics: log } = bench;
  const [paymentsFrom, decisionsFrom] = [await log.ends(topics.payments), await log.ends(topics.decisions)];
  const samplesFrom = sampler.samples.length;
  const feed = startFeed(bench, rate, seconds, 1);
  const added = (from: Ends, to: Ends): number => sum(to) - sum(from);
  const backlog = async (): Promise<number> =>
    added(paymentsFrom, await log.ends(topics.payments)) - added(decisionsFrom, await log.ends(topics.decisions));
  const memory: MemorySample[] = [];
  let backlogMax = 0;
  while (feed.running()) {
    memory.push({ atMs: performance.now(), bytes: residentBytesOf(stream.pid) });
    backlogMax = Math.max(backlogMax, await backlog());
    await sleep(sampleMs);
  }
  const payments = await feed.sent;
  const backlogAtEnd = await backlog();
  const endedAt = performance.now();
  const drainedInMs = await log.until(topics.decisions, decisionsFrom, payments, drainSecondsMax).then(
    () => performance.now() - endedAt,
    () => undefined,
  );
  return { memory, latencies: sampler.samples.slice(samplesFrom), backlogAtEnd, backlogMax, drainedInMs, payments };
}

function report(soaked: Soaked, rate: number, seconds: number, maximum: number | undefined): void {
  const memory = soaked.memory.slice(Math.ceil(soaked.memory.length * warmUpShare));
  const latencies = soaked.latencies.slice(Math.ceil(soaked.latencies.length * warmUpShare));
  const rss = memory.map(({ bytes }) => bytes / megabyte);
  const line = { bench: 'soak', n: 1, rate, seconds, release };
  const slope = (slopeOf(memory) * 60_000) / megabyte;
  printMetric({
    ...line,
    metric: 'rss_slope_mb_per_min',
    value: slope,
    unit: 'MiB/min',
    spread: [slope, slope],
    rss_mb: { least: Math.round(Math.min(...rss)), most: Math.round(Math.max(...rss)) },
    ...(maximum === undefined ? {} : { measured_maximum: Math.round(maximum) }),
  });
  const quarter = Math.floor(latencies.length / 4);
  const quarters = [0, 1, 2, 3].map((i) => percentileOf(latencies.slice(i * quarter, (i + 1) * quarter), 0.99));
  printMetric({
    ...line,
    metric: 'p99_ms',
    value: percentileOf(latencies, 0.99),
    p50_ms: percentileOf(latencies, 0.5),
    p90_ms: percentileOf(latencies, 0.9),
    unit: 'ms',
    spread: [Math.min(...quarters), Math.max(...quarters)],
    quarters,
    sampled: latencies.length,
  });
  printMetric({
    ...line,
    metric: 'backlog_at_end',
    value: soaked.backlogAtEnd,
    unit: 'payments',
    spread: [soaked.backlogAtEnd, soaked.backlogAtEnd],
    most: soaked.backlogMax,
    drained_in_ms: soaked.drainedInMs === undefined ? null : Math.round(soaked.drainedInMs),
    payments: soaked.payments,
  });
}

export async function run(): Promise<void> {
  const seconds = sizeOf('BENCH_SECONDS', 600);
  const given = process.env['BENCH_RATE'] === undefined ? undefined : sizeOf('BENCH_RATE', 1);
  const bench = await openStreamBench(1, denseStepMs);
  const directory = temporaryDirectory();
  let streams: readonly Server[] = [];
  let sampler: DecisionSampler | undefined;
  try {
    sampler = await sampleDecisions(bench.engines.kafka.brokers);
    streams = await startStream(bench, directory.path, streamReleases[release], 1);
    const [stream] = streams;
    if (stream === undefined) throw failed('no stream was started');
    const maximum = given === undefined ? await measureMaximum(bench) : undefined;
    const rate = given ?? Math.floor((maximum ?? 0) * loadShare);
    report(await soak(bench, stream, sampler, rate, seconds), rate, seconds, maximum);
  } finally {
    await sampler?.stop();
    for (const stream of streams) await stream.stop();
    await bench.close();
    directory.remove();
  }
}
