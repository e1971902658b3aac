/**
 * `inline`: latency of one decision by HTTP, by open loop from the intended send time, beside a Fastify server that only parses and appends as
 * durably. Slices of the two alternate, so that whatever else the machine does falls on both.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { resolve } from 'node:path';
import { drive, percentile } from './fixtures/openLoop.ts';
import { decideOnce, freePort, type Server, startServer, startUp, temporaryDirectory } from './fixtures/upProcess.ts';
import { median, printMetric } from './lib.ts';

const rates = [200, 1000] as const;
const rounds = 5;
const sliceSeconds = 10;
const warmUpSeconds = 4;
const percentiles = [
  ['p50_ms', 0.5],
  ['p99_ms', 0.99],
  ['p999_ms', 0.999],
] as const;

type Slice = readonly number[];

function report(rate: number, ours: readonly Slice[], reference: readonly Slice[]): void {
  for (const [metric, share] of percentiles) {
    const values = ours.map((slice) => percentile(slice, share));
    const others = reference.map((slice) => percentile(slice, share));
    printMetric({
      bench: 'inline',
      metric,
      rate,
      value: median(values),
      unit: 'ms',
      ratio_to: 'fastify_parse_and_durable_append',
      ratio: median(values.map((value, i) => value / others[i]!)),
      n: rounds,
      spread: [Math.min(...values), Math.max(...values)],
      reference: Number(median(others).toPrecision(4)),
    });
  }
}

async function measure(driver: ChildProcess, holdfast: Server, reference: Server): Promise<void> {
  let seed = 1;
  for (const rate of rates) {
    const ours: Slice[] = [];
    const others: Slice[] = [];
    for (const server of [holdfast, reference]) await drive(driver, server, rate, warmUpSeconds, seed++);
    for (let round = 0; round < rounds; round += 1) {
      const slices: [Server, Slice[]][] = [
        [holdfast, ours],
        [reference, others],
      ];
      // Who comes first alternates: neither always runs on the machine as the other left it.
      for (const [server, into] of round % 2 === 0 ? slices : slices.reverse()) {
        into.push(await drive(driver, server, rate, sliceSeconds, seed++));
      }
    }
    report(rate, ours, others);
  }
}

export async function run(): Promise<void> {
  const directory = temporaryDirectory();
  const driver = fork(resolve(import.meta.dirname, 'fixtures/openLoopDriver.ts'), { stdio: 'inherit' });
  const started: Server[] = [];
  try {
    const answers = (url: URL): Promise<unknown> => decideOnce(url, 'bench-first');
    const holdfast = await startUp(directory.path, await freePort(), answers);
    started.push(holdfast);
    const port = await freePort();
    const program = resolve(import.meta.dirname, 'fixtures/referenceServer.ts');
    const reference = await startServer(
      [program, String(port), directory.path],
      {},
      new URL(`http://127.0.0.1:${port}`),
      answers,
    );
    started.push(reference);
    await measure(driver, holdfast, reference);
  } finally {
    driver.kill();
    for (const server of started) await server.stop();
    directory.remove();
  }
}
