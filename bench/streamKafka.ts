/**
 * `stream-kafka`: payments on a real Kafka → the role `stream` with a real Redis → decisions on Kafka. Beside it, in the same
 * run, a raw copy from topic to topic with the same client, and the pipeline as textbooks have it (fixtures/textbookPipeline.ts).
 * With each client in turn; KAFKA_CLIENT: with one. BENCH_PAYMENTS, BENCH_ROUNDS and BENCH_TEXTBOOK_PAYMENTS make it smaller.
 */
import { kafkaClients } from '../src/config/kafka.ts';
import { runRawCopy, runStream, runTextbook, type Bench, type StreamRun, withClient } from './fixtures/streamRuns.ts';
import { openStreamBench } from './fixtures/streamBench.ts';
import { type StreamRelease, streamReleases } from './fixtures/streamReleases.ts';
import { median, printMetric, rangeOf, sizeOf } from './lib.ts';

interface Round {
  readonly raw: number;
  readonly rawOfDecisions: number;
  readonly textbook: number;
  readonly runs: Readonly<Record<StreamRelease, StreamRun>>;
}

async function measure(bench: Bench, textbook: number): Promise<Round> {
  const before = await runRawCopy(bench, 0);
  const twenty = await runStream(bench, streamReleases.twenty);
  const ofDefault = await runStream(bench, streamReleases.default);
  const after = await runRawCopy(bench, 0);
  const large = await runRawCopy(bench, Math.round(twenty.meanBytes));
  return {
    raw: (before.perSecond + after.perSecond) / 2,
    rawOfDecisions: large.perSecond,
    textbook,
    runs: { twenty, default: ofDefault },
  };
}

function report(rounds: readonly Round[], payments: number, client: string): void {
  const n = rounds.length;
  for (const release of ['twenty', 'default'] as const) {
    const runs = rounds.map((round) => round.runs[release]);
    const rates = runs.map(({ perSecond }) => perSecond);
    const value = median(rates);
    const ratio = (to: (round: Round) => number): number =>
      median(rounds.map((round) => round.runs[release].perSecond / to(round)));
    const cpu = (part: 'process' | 'kafka' | 'redis'): number => Math.round(median(runs.map((run) => run.cpu[part])));
    const line = { bench: 'stream-kafka', value, unit: '1/s', n, spread: rangeOf(rates), release, payments, client };
    printMetric({
      ...line,
      metric: 'payments_per_s',
      ratio_to: 'raw',
      ratio: ratio(({ raw }) => raw),
      raw: Math.round(median(rounds.map(({ raw }) => raw))),
      cold_start_s: Number(median(runs.map(({ coldStartSeconds }) => coldStartSeconds)).toFixed(2)),
      degraded: Math.max(...runs.map(({ degraded }) => degraded)),
      cpu_micros: { stream: cpu('process'), kafka: cpu('kafka'), redis: cpu('redis') },
      decision_bytes: Math.round(median(runs.map(({ meanBytes }) => meanBytes))),
    });
    if (release !== 'twenty') continue;
    printMetric({
      ...line,
      metric: 'payments_per_s',
      ratio_to: 'raw_of_decision_size',
      ratio: ratio(({ rawOfDecisions }) => rawOfDecisions),
      raw_of_decision_size: Math.round(median(rounds.map(({ rawOfDecisions }) => rawOfDecisions))),
    });
    const ratios = rounds.map((round) => round.runs.twenty.perSecond / round.textbook);
    printMetric({
      bench: 'stream-kafka',
      metric: 'vs_textbook',
      value: median(ratios),
      unit: 'x',
      ratio_to: 'textbook',
      ratio: median(ratios),
      n,
      spread: rangeOf(ratios),
      release,
      client,
      textbook: Math.round(median(rounds.map(({ textbook }) => textbook))),
    });
  }
}

export async function run(): Promise<void> {
  const payments = sizeOf('BENCH_PAYMENTS', 200_000);
  const rounds = sizeOf('BENCH_ROUNDS', 3);
  const textbookPayments = Math.min(payments, sizeOf('BENCH_TEXTBOOK_PAYMENTS', 10_000));
  const chosen = process.env['KAFKA_CLIENT'];
  const clients = chosen === undefined ? kafkaClients : [chosen];
  const bench = await openStreamBench(payments);
  try {
    const measured = new Map<string, Round[]>(clients.map((client) => [client, []]));
    for (let round = 0; round < rounds; round++) {
      const { perSecond } = await runTextbook(bench, textbookPayments);
      for (const [client, own] of measured) own.push(await measure(withClient(bench, client), perSecond));
    }
    for (const [client, own] of measured) report(own, payments, client);
  } finally {
    await bench.close();
  }
}
