/** `holdfast parity`: recorded features against the same features computed again from the journal, or from the topics. */
import { Command } from 'commander';
import { createVelocityMemory } from '../adapters/memory/velocity.ts';
import { openParity } from '../adapters/sqlite/parityLog.ts';
import { loadEnvironment } from '../config/env.ts';
import { exitCodes, failed, unreachable, wrongUsage } from '../config/exit.ts';
import { LogUnavailable } from '../pipeline/logErrors.ts';
import { checkParity } from '../pipeline/parity.ts';
import { liveParity, liveSharedParity, type OpenParity } from '../pipeline/parityJob.ts';
import { parityBounds, type ParityReport } from '../pipeline/parityTypes.ts';
import { checkSharedParity } from '../pipeline/sharedParity.ts';
import { openKafka } from './openKafka.ts';
import { wholeNumber } from './options.ts';
import { openPrograms } from './roles/programs.ts';
import { defaultRelease, roleLogger } from './roles/run.ts';

/** About 20 s of trials. */
const trialAppendsMax = 2_000_000;
const settledSecondsMax = 86_400;

interface Options {
  readonly sample: number;
  readonly lookBack: number;
  readonly entries: number;
  readonly settledSeconds: number | undefined;
  readonly seed: number;
  readonly release: readonly string[];
  readonly json: boolean;
}

type Environment = ReturnType<typeof loadEnvironment>;

function textOf(report: ParityReport): string {
  const { sampled, compared, values, withinBounds, otherOrder, orderUnknown, notCovered, mismatches } = report;
  const counts = [
    [otherOrder, 'are what another order of payments at the same time gives'],
    [orderUnknown, 'differ, with too many payments at the same time to try every order'],
    [notCovered, 'were not compared: they look farther back than what was read'],
  ] as const;
  return [
    `${compared} of ${sampled} payments compared, ${values} values: ${mismatches} differ, ${withinBounds} within the bounds of values that are not exact`,
    ...counts.filter(([count]) => count > 0).map(([count, what]) => `  ${count} values ${what}`),
    ...Object.entries(report.notComparable).map(([reason, payments]) => `  not comparable: ${payments} ${reason}`),
    ...report.shown.map(
      ({ paymentId, feature, online, recomputed }) =>
        `  ${paymentId} ${feature}: ${online} online, ${recomputed} again`,
    ),
  ].join('\n');
}

function open(dataDir: string): OpenParity {
  try {
    return openParity(dataDir);
  } catch (error) {
    throw failed(`${dataDir}: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

const decidedBefore = ({ settledSeconds }: Options, settledMs: number): number =>
  Date.now() - (settledSeconds === undefined ? settledMs : settledSeconds * 1000);

async function overJournal({ dataDir, redis }: Environment, options: Options): Promise<ParityReport> {
  const { sample, lookBack, seed, entries } = options;
  if (redis !== undefined) {
    throw wrongUsage(
      'REDIS_URL is set: with the velocity state in Redis the journal does not say in which order it saw payments. Set KAFKA_BROKERS too, and the topics are compared.',
    );
  }
  const opened = open(dataDir);
  try {
    const decidedBeforeMs = decidedBefore(options, liveParity.timing.settledMs);
    return await checkParity({
      ...opened.tools,
      sample,
      lookBackEntries: lookBack,
      seed,
      decidedBeforeMs,
      entriesMax: entries,
      relatedPaymentsMax: parityBounds.relatedPaymentsMax,
    });
  } finally {
    opened.close();
  }
}

async function overTopics(environment: Environment, options: Options): Promise<ParityReport> {
  const { sample, lookBack, seed, entries, release } = options;
  const { kafka, dataDir } = environment;
  if (kafka === undefined) throw wrongUsage('KAFKA_BROKERS is not set.');
  const programOf = await openPrograms(dataDir, release.length === 0 ? [defaultRelease] : release);
  const log = openKafka(kafka, roleLogger(environment));
  try {
    return await checkSharedParity({
      log,
      programOf,
      claimMs: environment.claimMs,
      createMemory: (program) => createVelocityMemory(program),
      sample,
      lookBackEntries: lookBack,
      entriesMax: entries,
      relatedPaymentsMax: parityBounds.relatedPaymentsMax,
      trialAppendsMax,
      seed,
      decidedBeforeMs: decidedBefore(options, liveSharedParity.timing.settledMs),
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    });
  } catch (error) {
    throw error instanceof LogUnavailable ? unreachable(`${error.message}.`) : error;
  } finally {
    await log.close();
  }
}

async function parity(options: Options): Promise<void> {
  const environment = loadEnvironment();
  const report = await (environment.kafka === undefined ? overJournal : overTopics)(environment, options);
  process.stdout.write(`${options.json ? JSON.stringify(report) : textOf(report)}\n`);
  if (report.mismatches > 0) process.exitCode = exitCodes.failed;
}

export function parityCommand(): Command {
  const many = wholeNumber(1, Number.MAX_SAFE_INTEGER);
  return new Command('parity')
    .option('--sample <payments>', 'how many payments to compare', wholeNumber(1, parityBounds.sampleMax), 1_000)
    .option(
      '--look-back <entries>',
      'choose them among so many entries at the end of the log',
      many,
      Number.MAX_SAFE_INTEGER,
    )
    .option('--entries <entries>', 'read at most so many entries', many, Number.MAX_SAFE_INTEGER)
    .option('--settled-seconds <n>', 'leave out what was decided since', wholeNumber(0, settledSecondsMax))
    .option('--seed <number>', 'chooses the payments', wholeNumber(0, 2 ** 31), 1)
    .option(
      '--release <id or directory>',
      'with KAFKA_BROKERS: a release that decided; may be given again',
      (name: string, before: readonly string[]) => [...before, name],
      [],
    )
    .option('--json', 'one JSON document on stdout', false)
    .action(parity);
}
