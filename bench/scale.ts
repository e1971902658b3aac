/**
 * `scale`: one and two processes of the role `stream` over the same topic, in turn; and what a payment costs each process and
 * engine in CPU time. Two processes are faster where Kafka, Redis and they have cores of their own: on a machine that is busy
 * with one of them, the sum of the CPU times says what more machines would give.
 *
 * The payments are 10 ms of event time apart, as of a busy system. While processes read a backlog they stay within two minutes of
 * event time of each other (src/pipeline/inStep.ts): payments 10 s apart would be decided a dozen at a time by each, and two
 * processes would be slower than one (BENCH_STEP_MS=10000 shows it). BENCH_PAYMENTS and BENCH_ROUNDS make it smaller.
 */
import { availableParallelism } from 'node:os';
import { openStreamBench } from './fixtures/streamBench.ts';
import { streamReleases } from './fixtures/streamReleases.ts';
import { runStream, type StreamRun } from './fixtures/streamRuns.ts';
import { median, printMetric, rangeOf, sizeOf } from './lib.ts';

const release = 'twenty';
const denseStepMs = 10;
const counts = [1, 2] as const;
const parts = ['stream', 'kafka', 'redis'] as const;

const partOf = ({ cpu }: StreamRun, part: (typeof parts)[number]): number => cpu[part === 'stream' ? 'process' : part];

function report(runs: readonly (readonly StreamRun[])[]): void {
  const [one = [], two = []] = runs;
  const ratios = one.map(({ perSecond }, round) => (two[round]?.perSecond ?? Number.NaN) / perSecond);
  const rate = (of: readonly StreamRun[]): number => Math.round(median(of.map(({ perSecond }) => perSecond)));
  printMetric({
    bench: 'scale',
    metric: 'speedup_2',
    value: median(ratios),
    unit: 'x',
    ratio_to: 'one_process',
    ratio: median(ratios),
    n: ratios.length,
    spread: rangeOf(ratios),
    payments_per_s: { one: rate(one), two: rate(two) },
    repeated: Math.max(...two.map(({ repeated }) => repeated)),
    cores: availableParallelism(),
    release,
  });
  counts.forEach((processes, i) => {
    for (const of of parts) {
      const values = (runs[i] ?? []).map((run) => partOf(run, of));
      printMetric({
        bench: 'scale',
        metric: 'cpu_micros_per_payment',
        of,
        processes,
        value: median(values),
        unit: 'us',
        n: values.length,
        spread: rangeOf(values),
        release,
      });
    }
  });
}

export async function run(): Promise<void> {
  const bench = await openStreamBench(sizeOf('BENCH_PAYMENTS', 200_000), sizeOf('BENCH_STEP_MS', denseStepMs));
  const rounds = sizeOf('BENCH_ROUNDS', 3);
  try {
    const runs: StreamRun[][] = counts.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, processes] of counts.entries()) {
        runs[i]?.push(await runStream(bench, streamReleases[release], processes));
      }
    }
    report(runs);
  } finally {
    await bench.close();
  }
}
