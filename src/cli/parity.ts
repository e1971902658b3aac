/** `holdfast parity`: recorded features against the same features computed again from the journal. */
import { Command } from 'commander';
import { loadEnvironment } from '../config/env.ts';
import { exitCodes, failed, wrongUsage } from '../config/exit.ts';
import { openParity } from '../adapters/sqlite/parityLog.ts';
import { checkParity } from '../pipeline/parity.ts';
import { parityBounds, type ParityReport } from '../pipeline/parityTypes.ts';
import { liveParity, type OpenParity } from '../pipeline/parityJob.ts';
import { wholeNumber } from './options.ts';

interface Options {
  readonly sample: number;
  readonly lookBack: number;
  readonly seed: number;
  readonly json: boolean;
}

function textOf({ sampled, compared, values, withinBounds, mismatches, shown, notComparable }: ParityReport): string {
  const reasons = Object.entries(notComparable).map(([reason, payments]) => `  not comparable: ${payments} ${reason}`);
  const differences = shown.map(
    ({ paymentId, feature, online, recomputed }) => `  ${paymentId} ${feature}: ${online} online, ${recomputed} again`,
  );
  return [
    `${compared} of ${sampled} payments compared, ${values} values: ${mismatches} differ, ${withinBounds} within the bounds of values that are not exact`,
    ...reasons,
    ...differences,
  ].join('\n');
}

function open(dataDir: string): OpenParity {
  try {
    return openParity(dataDir);
  } catch (error) {
    throw failed(`${dataDir}: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

async function parity({ sample, lookBack, seed, json }: Options): Promise<void> {
  const { dataDir, redis } = loadEnvironment();
  if (redis !== undefined) {
    throw wrongUsage(
      'REDIS_URL is set: with the velocity state in Redis the journal does not say in which order it saw payments, so nothing can be compared.',
    );
  }
  const opened = open(dataDir);
  try {
    const report = await checkParity({
      ...opened.tools,
      sample,
      lookBackEntries: lookBack,
      seed,
      decidedBeforeMs: Date.now() - liveParity.timing.settledMs,
      entriesMax: Number.POSITIVE_INFINITY,
    });
    process.stdout.write(`${json ? JSON.stringify(report) : textOf(report)}\n`);
    if (report.mismatches > 0) process.exitCode = exitCodes.failed;
  } finally {
    opened.close();
  }
}

export function parityCommand(): Command {
  return new Command('parity')
    .option('--sample <payments>', 'how many payments to compare', wholeNumber(1, parityBounds.sampleMax), 1_000)
    .option(
      '--look-back <entries>',
      'choose them among so many entries at the end of the journal',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
      Number.MAX_SAFE_INTEGER,
    )
    .option('--seed <number>', 'chooses the payments', wholeNumber(0, 2 ** 31), 1)
    .option('--json', 'one JSON document on stdout', false)
    .action(parity);
}
