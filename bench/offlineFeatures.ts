/**
 * `offline-features`: the Fraud Detection Handbook's 1,754,155 payments to its twelve windowed features and two derived ones, with
 * labels seven days late, in one thread. From the packed file: gzip, CSV, checked payments, features, nothing left out; and
 * the features alone, of payments that were decoded before.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createVelocityMemory } from '../src/adapters/memory/velocity.ts';
import { HistoryFeed } from '../src/cli/history/feed.ts';
import type { LabelledPayments } from '../src/cli/history/labelled.ts';
import { openPayments } from '../src/cli/history/payments.ts';
import { unreachable } from '../src/config/exit.ts';
import { compileFeatures } from '../src/features/program.ts';
import { median, printMetric, rangeOf, sizeOf } from './lib.ts';

const bench = 'offline-features';
const delayDays = 7;
const definitions = resolve(import.meta.dirname, 'fixtures/handbookFeatures.json');
/** Where the data sets lie, as for the tests. */
const data = process.env['HOLDFAST_SHARED_DATA'] ?? resolve(import.meta.dirname, '../../shared/data');

interface Timed {
  readonly rows: number;
  readonly seconds: number;
  /** Of all threads: unpacking runs beside the main one. */
  readonly cpuSeconds: number;
}

async function timed(work: () => Promise<number>): Promise<Timed> {
  const [from, cpuFrom] = [performance.now(), process.cpuUsage()];
  const rows = await work();
  const { user, system } = process.cpuUsage(cpuFrom);
  return { rows, seconds: (performance.now() - from) / 1000, cpuSeconds: (user + system) / 1e6 };
}

const program = compileFeatures(JSON.parse(readFileSync(definitions, 'utf8')));

function openFeed(): HistoryFeed {
  return new HistoryFeed({ memory: createVelocityMemory(program), delayDays, onRows: () => undefined });
}

function add(feed: HistoryFeed, { payments, frauds }: LabelledPayments): void {
  payments.forEach((payment, i) => feed.add(payment, frauds[i] ?? 0));
}

async function fileToFeatures(file: string): Promise<number> {
  const feed = openFeed();
  for await (const some of openPayments(file, undefined).payments()) add(feed, some);
  feed.flush();
  return feed.fed;
}

function paymentsToFeatures(decoded: readonly LabelledPayments[]): Promise<number> {
  const feed = openFeed();
  for (const some of decoded) add(feed, some);
  feed.flush();
  return Promise.resolve(feed.fed);
}

function print(from: string, runs: readonly Timed[]): void {
  const rates = runs.map(({ rows, seconds }) => rows / seconds);
  printMetric({
    bench,
    metric: 'rows_per_s',
    value: median(rates),
    unit: '1/s',
    n: runs.length,
    spread: rangeOf(rates),
    from,
    rows: runs[0]?.rows ?? 0,
    features: program.names.length,
    cpu_micros_per_row: Number((median(runs.map(({ rows, cpuSeconds }) => cpuSeconds / rows)) * 1e6).toPrecision(3)),
  });
}

export async function run(): Promise<void> {
  const file = resolve(data, 'handbook/transactions.csv.gz');
  if (!existsSync(file)) throw unreachable(`${bench} needs the handbook's payments, which are not at ${file}.`);
  const rounds = sizeOf('BENCH_ROUNDS', 3);
  await fileToFeatures(file);
  const whole: Timed[] = [];
  for (let round = 0; round < rounds; round++) whole.push(await timed(() => fileToFeatures(file)));
  print('csv.gz', whole);
  const decoded: LabelledPayments[] = [];
  for await (const some of openPayments(file, undefined).payments()) decoded.push(some);
  const features: Timed[] = [];
  for (let round = 0; round < rounds; round++) features.push(await timed(() => paymentsToFeatures(decoded)));
  print('payments', features);
}
