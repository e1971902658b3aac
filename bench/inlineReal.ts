/**
 * `inline-real`: latency of one decision by HTTP from the role `serve` over a real Kafka and Redis, by open loop from the intended
 * send time, 500 a second; and where the time goes, from the role's own metrics. BENCH_SECONDS makes a slice shorter.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { resolve } from 'node:path';
import { topics } from '../src/pipeline/ports.ts';
import { failed } from '../src/config/exit.ts';
import { drive, percentile } from './fixtures/openLoop.ts';
import { type Engines, startEngines } from './fixtures/realEngines.ts';
import { meanMsOf, scrape } from './fixtures/scrape.ts';
import { StreamTopics, sum } from './fixtures/streamTopics.ts';
import { benchKey, decideOnce, freePort, type Server, startServer, temporaryDirectory } from './fixtures/upProcess.ts';
import { median, printMetric, rangeOf, sizeOf } from './lib.ts';

const rate = 500;
const firstId = 'bench-first';
const rounds = 5;
const warmUpSeconds = 6;
/** As a user starts it: with the flags that go with the role. */
const holdfastPath = resolve(import.meta.dirname, '../bin/holdfast.mjs');
const percentiles = [
  ['p50_ms', 0.5],
  ['p99_ms', 0.99],
  ['p999_ms', 0.999],
] as const;
const stages = ['lookup', 'enrich', 'score', 'decide', 'record', 'append'] as const;

async function startServe(engines: Engines, dataDirectory: string): Promise<Server> {
  const port = await freePort();
  const environment = {
    ...engines.environment,
    HOLDFAST_DATA_DIR: dataDirectory,
    HOLDFAST_PORT: String(port),
    HOLDFAST_BOOTSTRAP_KEY: benchKey,
    HOLDFAST_LOG_LEVEL: 'warn',
  };
  return startServer([holdfastPath, 'serve'], environment, new URL(`http://127.0.0.1:${port}`), (url) =>
    decideOnce(url, firstId),
  );
}

function reportStages(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, meanMs: number): void {
  const line = { bench: 'inline-real', unit: 'ms', n: 1, rate };
  let inside = 0;
  for (const stage of stages) {
    const value = meanMsOf('holdfast_stage_seconds', `{stage="${stage}"}`, before, after);
    // Appending is a part of recording.
    if (stage !== 'append') inside += value;
    printMetric({
      ...line,
      metric: 'stage_ms',
      stage,
      value,
      spread: [value, value],
      share: Number((value / meanMs).toFixed(3)),
    });
  }
  const rest = meanMs - inside;
  printMetric({
    ...line,
    metric: 'stage_ms',
    stage: 'http',
    value: rest,
    spread: [rest, rest],
    share: Number((rest / meanMs).toFixed(3)),
  });
}

async function measure(driver: ChildProcess, serve: Server, log: StreamTopics): Promise<void> {
  const seconds = sizeOf('BENCH_SECONDS', 10);
  const from = await log.ends(topics.decisions);
  await drive(driver, serve, rate, warmUpSeconds, 1);
  const before = await scrape(serve.url);
  const slices: (readonly number[])[] = [];
  for (let round = 0; round < rounds; round++) slices.push(await drive(driver, serve, rate, seconds, 2 + round));
  const after = await scrape(serve.url);
  const to = await log.ends(topics.decisions);
  const decided = new Set<string>();
  await log.read(topics.decisions, from, to, ({ key }) => decided.add(key));
  decided.delete(firstId);
  const answered = rate * (warmUpSeconds + rounds * seconds);
  if (decided.size !== answered) throw failed(`${answered} payments were answered and ${decided.size} are on Kafka`);
  for (const [metric, share] of percentiles) {
    const values = slices.map((slice) => percentile(slice, share));
    printMetric({
      bench: 'inline-real',
      metric,
      rate,
      value: median(values),
      unit: 'ms',
      n: rounds,
      spread: rangeOf(values),
      // Decisions that waited for Kafka too long went by the spool, and may be on the topic twice.
      repeated: sum(to) - sum(from) - answered,
    });
  }
  const all = slices.flat();
  reportStages(before, after, sum(all) / all.length);
}

export async function run(): Promise<void> {
  const engines = await startEngines();
  const directory = temporaryDirectory();
  const driver = fork(resolve(import.meta.dirname, 'fixtures/openLoopDriver.ts'), { stdio: 'inherit' });
  let serve: Server | undefined;
  let log: StreamTopics | undefined;
  try {
    log = await StreamTopics.connect(engines.kafka.brokers);
    await log.create();
    serve = await startServe(engines, directory.path);
    await measure(driver, serve, log);
  } finally {
    driver.kill();
    await log?.close();
    await serve?.stop();
    await engines.stop();
    directory.remove();
  }
}
