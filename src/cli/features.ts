/** `holdfast features FILE --out F.csv`: the feature table of labelled payments, for anyone's own tools. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { createVelocityMemory } from '../adapters/memory/velocity.ts';
import { loadEnvironment } from '../config/env.ts';
import { failed, wrongUsage } from '../config/exit.ts';
import { compileFeatures, FeatureDefinitionError } from '../features/program.ts';
import type { FeatureProgram } from '../features/types.ts';
import { checkOutput, writeOutput } from './features/output.ts';
import { HistoryFeed } from './history/feed.ts';
import { labels } from './history/labelled.ts';
import { openPayments, type PaymentSource } from './history/payments.ts';
import { tableHeader, tableRows } from './history/table.ts';
import { wholeNumber } from './options.ts';
import { releaseNamed } from './releaseNamed.ts';
import { readMapping } from './replay/mapping.ts';
import { readFeatures } from './train/data.ts';

interface Options {
  readonly out: string;
  readonly release: string;
  readonly features?: string;
  readonly delayDays: number;
  readonly mapping?: string;
  readonly json: boolean;
}

const defaultDirectory = resolve(import.meta.dirname, '../../config/default');
const delayDaysMax = 366;
/** Batches of rows that wait to be written. */
const piecesMax = 16;
const progressEveryMs = { terminal: 200, otherwise: 10_000 };

async function programOf(name: string): Promise<FeatureProgram> {
  const { features } = await releaseNamed(name, loadEnvironment().dataDir);
  try {
    return compileFeatures(features);
  } catch (error) {
    if (error instanceof FeatureDefinitionError)
      throw failed(`The features of ${name} are not valid: ${error.message}`);
    throw error;
  }
}

interface Counts {
  rows: number;
  frauds: number;
  unlabelled: number;
}

class Table {
  readonly counts: Counts = { rows: 0, frauds: 0, unlabelled: 0 };
  readonly #source: PaymentSource;
  readonly #program: FeatureProgram;
  readonly #delayDays: number;

  constructor(source: PaymentSource, program: FeatureProgram, delayDays: number) {
    this.#source = source;
    this.#program = program;
    this.#delayDays = delayDays;
  }

  /** The table's text, a piece for each piece of the file. */
  async *text(signal: AbortSignal, onProgress: () => void): AsyncGenerator<string, void, undefined> {
    let pieces: string[] = [tableHeader(this.#program.names)];
    const feed = new HistoryFeed({
      memory: createVelocityMemory(this.#program),
      delayDays: this.#delayDays,
      onRows: (fed) => {
        pieces.push(tableRows(fed));
        this.counts.rows += fed.rows;
      },
    });
    for await (const { payments, frauds } of this.#source.payments()) {
      if (signal.aborted) throw failed('Stopped before the end; nothing was written.');
      for (const [i, payment] of payments.entries()) {
        const label = frauds[i] ?? labels.unknown;
        if (label === labels.fraud) this.counts.frauds += 1;
        if (label === labels.unknown) this.counts.unlabelled += 1;
        feed.add(payment, label);
        // So that what waits to be written stays small, however long a row is.
        if (pieces.length < piecesMax) continue;
        yield* pieces;
        pieces = [];
      }
      onProgress();
    }
    feed.flush();
    if (this.counts.rows === 0) throw failed(noPayments(this.#source));
    yield* pieces;
  }
}

function noPayments({ refused, refusedCount }: PaymentSource): string {
  if (refusedCount === 0) return 'The file has no payments; nothing was written.';
  const codes = [...refused].map(([code, count]) => `${count} × ${code}`).join(', ');
  return `The file has no payment that can be read (${codes}); nothing was written.`;
}

/** One line that is written over on a terminal; elsewhere a line now and then. */
function startProgress(source: PaymentSource, counts: Counts): { update: () => void; end: () => void } {
  const { isTTY } = process.stderr;
  const everyMs = isTTY ? progressEveryMs.terminal : progressEveryMs.otherwise;
  const startedAt = performance.now();
  let shownAt = startedAt;
  return {
    update() {
      const now = performance.now();
      if (now - shownAt < everyMs) return;
      shownAt = now;
      const percent = Math.min(100, Math.floor((100 * source.bytesRead()) / Math.max(1, source.bytesTotal)));
      const perSecond = Math.round((counts.rows * 1000) / (now - startedAt));
      const text = `features: ${counts.rows} payments, ${percent} % of the file, ${perSecond}/s`;
      process.stderr.write(isTTY ? `\r\u001b[K${text}` : `${text}\n`);
    },
    end() {
      if (isTTY) process.stderr.write('\r\u001b[K');
    },
  };
}

async function features(file: string, options: Options): Promise<void> {
  if (options.out === '-' && options.json) {
    throw wrongUsage('--json needs --out FILE: standard output can hold one of the two.');
  }
  await checkOutput(options.out, file);
  const program =
    options.features === undefined ? await programOf(options.release) : compileFeatures(readFeatures(options.features));
  const source = openPayments(file, options.mapping === undefined ? undefined : readMapping(options.mapping));
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const startedAt = performance.now();
  const table = new Table(source, program, options.delayDays);
  const progress = startProgress(source, table.counts);
  try {
    await writeOutput(options.out, table.text(stop.signal, progress.update));
  } finally {
    progress.end();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { counts } = table;
  const summary = {
    file,
    out: options.out,
    ...counts,
    refused: Object.fromEntries(source.refused),
    features: program.names.length,
    delayDays: options.delayDays,
    seconds: Number(seconds.toFixed(3)),
    rowsPerSecond: Math.round(counts.rows / seconds),
  };
  if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else {
    const refused = source.refusedCount === 0 ? '' : `, ${source.refusedCount} rows refused`;
    process.stderr.write(
      `${counts.rows} payments (${counts.frauds} frauds, ${counts.unlabelled} without a label) with ${program.names.length} features each in ${seconds.toFixed(1)} s${refused}\n`,
    );
  }
}

export function featuresCommand(): Command {
  return new Command('features')
    .argument('<file>', 'payments in time order (.csv, .ndjson, .jsonl, each also .gz), as for replay')
    .requiredOption('--out <file>', 'FILE.csv or FILE.csv.gz; - for standard output')
    .option('--release <release>', 'whose features: a directory, or an id or its beginning', defaultDirectory)
    .option('--features <file>', 'feature definitions, instead of a release')
    .option('--delay-days <days>', 'days until a label is known', wholeNumber(0, delayDaysMax), 7)
    .option('--mapping <file>', 'how the columns of a CSV file become payments (docs/replay.md)')
    .option('--json', 'print a summary as one JSON document', false)
    .action(features);
}
