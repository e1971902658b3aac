/**
 * `kafka-clients`: the clients that speak to Kafka side by side, each in its turn in one run: a copy from topic to topic through the
 * event log, of payments and of messages as large as decisions, and the role `stream` with each. BENCH_PAYMENTS, BENCH_ROUNDS
 * and BENCH_WORKS (names separated by commas) make it smaller.
 */
import { resolve } from 'node:path';
import type { KafkaClientName } from '../src/adapters/kafka/clients.ts';
import { kafkaClients as clients } from '../src/config/kafka.ts';
import { topics } from '../src/pipeline/ports.ts';
import { openStreamBench } from './fixtures/streamBench.ts';
import { streamReleases } from './fixtures/streamReleases.ts';
import {
  type Bench,
  programServer,
  type ProgramRun,
  runProgram,
  runStream,
  withClient,
} from './fixtures/streamRuns.ts';
import { copyGroup } from './fixtures/streamTopics.ts';
import { median, printMetric, rangeOf, sizeOf } from './lib.ts';

/** About what a decision with its features takes on its topic. */
const decisionBytes = 2_500;
const allWorks = ['copy-payments', 'copy-decisions', 'stream'] as const;
type Work = (typeof allWorks)[number];
const works: readonly Work[] = allWorks.filter((work) => process.env['BENCH_WORKS']?.split(',').includes(work) ?? true);
type Round = ReadonlyMap<string, ProgramRun>;

function runCopy(bench: Bench, client: KafkaClientName, valueBytes: number): Promise<ProgramRun> {
  const path = resolve(import.meta.dirname, 'fixtures/logCopy.ts');
  return runProgram(bench, {
    output: topics.decisions,
    group: copyGroup,
    count: bench.payments,
    start: async () => [await programServer([path, client, bench.engines.kafka.brokers, String(valueBytes)])],
    check: () => {},
  });
}

function runWork(bench: Bench, work: Work, client: KafkaClientName): Promise<ProgramRun> {
  if (work !== 'stream') return runCopy(bench, client, work === 'copy-payments' ? 0 : decisionBytes);
  return runStream(withClient(bench, client), streamReleases.twenty);
}

const nameOf = (work: Work, client: KafkaClientName): string => `${work} ${client}`;

/** @param turn who begins changes from round to round */
async function measure(bench: Bench, turn: number): Promise<Round> {
  const runs = new Map<string, ProgramRun>();
  const order = turn % 2 === 0 ? clients : [...clients].reverse();
  for (const work of works) {
    for (const client of order) runs.set(nameOf(work, client), await runWork(bench, work, client));
  }
  return runs;
}

function report(rounds: readonly Round[], work: Work, client: KafkaClientName, payments: number): void {
  const of = (round: Round, name: KafkaClientName): ProgramRun => round.get(nameOf(work, name)) as ProgramRun;
  const runs = rounds.map((round) => of(round, client));
  const line = { bench: 'kafka-clients', n: rounds.length, work, client, payments, ratio_to: 'kafkajs' };
  const rates = runs.map(({ perSecond }) => perSecond);
  printMetric({
    ...line,
    metric: 'messages_per_s',
    value: median(rates),
    unit: '1/s',
    spread: rangeOf(rates),
    ratio: median(rounds.map((round) => of(round, client).perSecond / of(round, 'kafkajs').perSecond)),
  });
  const cpu = runs.map((run) => run.cpu.process);
  printMetric({
    ...line,
    metric: 'cpu_micros_per_message',
    value: median(cpu),
    unit: 'us',
    spread: rangeOf(cpu),
    ratio: median(rounds.map((round) => of(round, client).cpu.process / of(round, 'kafkajs').cpu.process)),
    broker: Number(median(runs.map((run) => run.cpu.kafka)).toPrecision(3)),
  });
}

export async function run(): Promise<void> {
  const payments = sizeOf('BENCH_PAYMENTS', 200_000);
  const rounds = sizeOf('BENCH_ROUNDS', 3);
  const bench = await openStreamBench(payments);
  try {
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round++) measured.push(await measure(bench, round));
    for (const work of works) for (const client of clients) report(measured, work, client, payments);
  } finally {
    await bench.close();
  }
}
