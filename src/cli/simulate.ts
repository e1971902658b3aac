/** `holdfast simulate`: a file of simulated payments, always the same for the same options. */
import { createWriteStream } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Command, Option } from 'commander';
import { wrongUsage } from '../config/exit.ts';
import { createPaymentStream, type PaymentStreamOptions } from '../simulator/stream.ts';
import { day, wholeNumber } from './options.ts';
import { csvLines, ndjsonLines } from './simulate/lines.ts';

interface Options {
  readonly seed: number;
  readonly customers: number;
  readonly terminals: number;
  readonly days: number;
  readonly start: number;
  readonly profile: PaymentStreamOptions['profile'];
  readonly attacksPerDay: number;
  readonly labelsDelayDays: number;
  readonly out: string;
  readonly json: boolean;
}

const dayMs = 86_400_000;
const chunkBytes = 256 * 1024;

/** Few large writes instead of one a line. */
function* chunks(lines: Iterable<string>): Generator<string> {
  let chunk = '';
  for (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < chunkBytes) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

function* counted<T extends { label: string }>(
  items: Iterable<T>,
  counts: { payments: number; frauds: number },
): Generator<T> {
  for (const item of items) {
    counts.payments += 1;
    if (item.label === 'fraud') counts.frauds += 1;
    yield item;
  }
}

async function simulate(options: Options): Promise<void> {
  const format = /\.(csv|ndjson|jsonl)(\.gz)?$/.exec(options.out);
  if (format === null && options.out !== '-')
    throw wrongUsage(`--out ${options.out}: the name must end in .ndjson, .jsonl or .csv, each also with .gz.`);
  if (options.out === '-' && options.json)
    throw wrongUsage('--json needs --out FILE: standard output can hold one of the two.');
  const counts = { payments: 0, frauds: 0 };
  const payments = counted(createPaymentStream({ ...options, startMs: options.start }), counts);
  const lines = format?.[1] === 'csv' ? csvLines(payments) : ndjsonLines(payments, options.labelsDelayDays * dayMs);
  const text = Readable.from(chunks(lines));
  const target: Writable = options.out === '-' ? process.stdout : createWriteStream(options.out);
  if (format?.[2] === undefined) await pipeline(text, target, { end: options.out !== '-' });
  else await pipeline(text, createGzip(), target);
  const summary = { out: options.out, ...counts };
  if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else
    process.stderr.write(
      `${counts.payments} payments, ${counts.frauds} of them fraud, written to ${options.out === '-' ? 'standard output' : options.out}\n`,
    );
}

export function simulateCommand(): Command {
  return new Command('simulate')
    .option('--seed <number>', 'the same seed gives the same bytes', wholeNumber(0, 4_294_967_295), 1)
    .option('--customers <number>', '', wholeNumber(1, 100_000), 1000)
    .option('--terminals <number>', '', wholeNumber(1, 100_000), 2000)
    .option('--days <number>', '', wholeNumber(1, 3650), 30)
    .addOption(
      new Option('--start <day>', 'first day, YYYY-MM-DD').argParser(day).default(Date.UTC(2026, 0, 1), '2026-01-01'),
    )
    .addOption(
      new Option('--profile <profile>', 'handbook: the published process alone; full: other channels and attacks too')
        .choices(['handbook', 'full'])
        .default('full'),
    )
    .option('--attacks-per-day <number>', 'episodes a day (profile full)', wholeNumber(0, 10_000), 5)
    .option(
      '--labels-delay-days <days>',
      'how long after a fraud its label line comes (NDJSON)',
      wholeNumber(0, 3650),
      7,
    )
    .requiredOption('--out <file>', 'FILE.ndjson, .jsonl or .csv, each also .gz; - for NDJSON on standard output')
    .option('--json', 'print a summary as one JSON document', false)
    .action(simulate);
}
