/** `holdfast replay FILE`: sends recorded payments to a running Holdfast and says how it did. */
import cliProgress from 'cli-progress';
import { Command } from 'commander';
import { pino } from 'pino';
import { type Environment, loadEnvironment } from '../config/env.ts';
import { unreachable, wrongUsage } from '../config/exit.ts';
import { LogUnavailable } from '../pipeline/logErrors.ts';
import { openKafka } from './openKafka.ts';
import { rate, wholeNumber } from './options.ts';
import { createApiClient, type ReplayTarget } from './replay/client.ts';
import { openKafkaTarget } from './replay/kafkaTarget.ts';
import { readMapping } from './replay/mapping.ts';
import { runReplay } from './replay/run.ts';
import { openSource, type ReplaySource } from './replay/source.ts';
import { summaryText, type Tally } from './replay/summary.ts';

const dayMs = 86_400_000;
const refusedLinesShown = 10;

interface Options {
  readonly url: string;
  readonly brokers?: string;
  readonly key?: string;
  readonly rate: number;
  readonly limit?: number;
  readonly labelsDelayDays: number;
  readonly mapping?: string;
  readonly json: boolean;
}

function checkUrl(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol !== 'http:' && protocol !== 'https:')
    throw wrongUsage(`--url must be an http or https address, not ${JSON.stringify(url)}.`);
}

function startProgress(source: ReplaySource): { update: (tally: Tally) => void; stop: () => void } {
  const startedAt = performance.now();
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: '{bar} {percentage} % of the file | {decisions} decided, {holds} held, {perSecond}/s',
    hideCursor: true,
    clearOnComplete: true,
  });
  const payload = (tally?: Tally): object => ({
    decisions: tally?.decisions ?? 0,
    holds: tally?.holds ?? 0,
    perSecond: Math.round(((tally?.decisions ?? 0) * 1000) / Math.max(1, performance.now() - startedAt)),
  });
  bar.start(source.bytesTotal, 0, payload());
  return { update: (tally) => bar.update(source.bytesRead(), payload(tally)), stop: () => bar.stop() };
}

async function targetOf(options: Options, { kafka, apiKey, logLevel }: Environment): Promise<ReplayTarget> {
  if (options.brokers === undefined || kafka === undefined) {
    return createApiClient(options.url, options.key ?? apiKey);
  }
  try {
    return await openKafkaTarget(
      openKafka({ ...kafka, groupInstanceId: undefined }, pino({ level: logLevel }, pino.destination(2))),
    );
  } catch (error) {
    throw error instanceof LogUnavailable ? unreachable(`${error.message}.`) : error;
  }
}

async function replay(file: string, options: Options): Promise<void> {
  // As a setting, so that it is checked as one, and TLS and login are those of the environment.
  if (options.brokers !== undefined) process.env['KAFKA_BROKERS'] = options.brokers;
  const environment = loadEnvironment();
  checkUrl(options.url);
  const mapping = options.mapping === undefined ? undefined : readMapping(options.mapping);
  const source = openSource(file, mapping);
  const client = await targetOf(options, environment);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const progress = startProgress(source);
  const startedAt = performance.now();
  try {
    const { tally, labelsNotDue } = await runReplay(source, client, {
      rate: options.rate,
      limit: options.limit ?? Number.POSITIVE_INFINITY,
      labelsDelayMs: options.labelsDelayDays * dayMs,
      signal: stop.signal,
      onProgress: progress.update,
    });
    progress.stop();
    const summary = {
      file,
      ...tally.summary((performance.now() - startedAt) / 1000),
      labelsNotDue,
      interrupted: stop.signal.aborted,
    };
    for (const { line, code } of summary.refusedLines.slice(0, refusedLinesShown))
      process.stderr.write(`line ${line}: ${code}\n`);
    process.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${summaryText(summary)}\n`);
  } finally {
    progress.stop();
    await client.close();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

export function replayCommand(): Command {
  return new Command('replay')
    .argument('<file>', 'CSV or NDJSON (.csv, .ndjson, .jsonl, each also .gz)')
    .option('--url <url>', 'where Holdfast listens', 'http://127.0.0.1:8080')
    .option('--brokers <list>', 'send to Kafka instead, and read there what became of them: host:port, …')
    .option('--key <key>', 'API key; HOLDFAST_API_KEY keeps it out of the process list')
    .option('--rate <number|max>', 'payments a second', rate, Number.POSITIVE_INFINITY)
    .option('--limit <rows>', 'stop after so many rows', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option(
      '--labels-delay-days <days>',
      'how long after a payment its fraud label is sent, in event time',
      wholeNumber(0, 3650),
      7,
    )
    .option('--mapping <file>', 'how the columns of a CSV file become payments (docs/replay.md)')
    .option('--json', 'print the summary as one JSON document', false)
    .action(replay);
}
