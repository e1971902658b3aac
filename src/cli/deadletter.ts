/** `holdfast deadletter list|retry`: messages that could not be decided, in Kafka where it is configured, else in the data directory. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { KafkaEventLog } from '../adapters/kafka/eventLog.ts';
import { connectionOf } from '../adapters/kafka/settings.ts';
import { DataDirectoryInUse, openEmbedded } from '../adapters/sqlite/open.ts';
import { openJournalReader } from '../adapters/sqlite/reader.ts';
import type { Environment } from '../config/env.ts';
import { loadEnvironment } from '../config/env.ts';
import { failed, unreachable, wrongUsage } from '../config/exit.ts';
import type { ListedLetter } from '../pipeline/deadletter.ts';
import { listDeadLetters, retryDeadLetters } from '../pipeline/deadletter.ts';
import { LogUnavailable } from '../pipeline/logErrors.ts';
import type { EventLog } from '../pipeline/ports.ts';

interface Selection {
  readonly code?: string;
  readonly all: boolean;
}
interface ListOptions extends Selection {
  readonly json: boolean;
  readonly payload: boolean;
}
interface RetryOptions extends Selection {
  readonly json: boolean;
}

/** Sentences instead of stack traces for what a user can cause. */
function sentenceOf(error: unknown): unknown {
  if (error instanceof LogUnavailable) return unreachable(error.message);
  if (error instanceof DataDirectoryInUse) return failed(error.message);
  return error;
}

/** Reading needs no lock: it works beside a running Holdfast. */
async function letters(environment: Environment): Promise<ListedLetter[]> {
  const { kafka, dataDir } = environment;
  if (kafka !== undefined) return withKafka(kafka, listDeadLetters);
  if (!existsSync(join(dataDir, 'journal.db'))) throw failed(`There is no journal in ${dataDir}.`);
  const reader = openJournalReader(dataDir);
  try {
    return await listDeadLetters({
      async *read(topic) {
        yield* reader.pages(topic);
      },
    });
  } finally {
    reader.close();
  }
}

async function withKafka<T>(kafka: NonNullable<Environment['kafka']>, use: (log: EventLog) => Promise<T>): Promise<T> {
  const log = new KafkaEventLog({ client: kafka.client, connection: connectionOf(kafka), createTopics: false });
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}

async function withLog<T>({ kafka, dataDir }: Environment, use: (log: EventLog) => Promise<T>): Promise<T> {
  if (kafka !== undefined) return withKafka(kafka, use);
  const embedded = await openEmbedded(dataDir);
  try {
    return await use(embedded.log);
  } finally {
    await embedded.close();
  }
}

/** Letters of the code, if one is given; without `all` those that were not put on their topic again. */
const select = (list: readonly ListedLetter[], { code, all }: Selection): ListedLetter[] =>
  list.filter((letter) => (code === undefined || letter.code === code) && (all || letter.retriedAt === undefined));

function age(at: string | undefined): string {
  if (at === undefined) return 'unknown';
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(at)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** The payload only where it is asked for: it holds personal data. */
function document(letter: ListedLetter, payload: boolean): Record<string, unknown> {
  const { place, code, at = null, bytes, retriedAt = null, originalKey, originalBase64 } = letter;
  return { place, code, at, bytes, retriedAt, ...(payload ? { originalKey, originalBase64 } : {}) };
}

function table(list: readonly ListedLetter[]): string {
  if (list.length === 0) return 'no dead letters\n';
  const rows = list.map(({ place, code, at, bytes, retriedAt }) => {
    const again = retriedAt === undefined ? '' : `, retried ${age(retriedAt)} ago`;
    return `${place}  ${code}  ${age(at)} old, ${bytes} bytes${again}\n`;
  });
  return rows.join('');
}

async function list(options: ListOptions): Promise<void> {
  const chosen = select(await letters(loadEnvironment()), options);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(chosen.map((letter) => document(letter, options.payload)))}\n`);
    return;
  }
  process.stdout.write(table(chosen));
  if (options.payload) {
    for (const { place, originalBase64 } of chosen) process.stdout.write(`\n${place}\n${text(originalBase64)}\n`);
  }
}

/** As text where it is one, without what could steer a terminal. */
function text(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  const decoded = bytes.toString();
  return Buffer.from(decoded).equals(bytes) && !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(decoded)
    ? decoded
    : base64;
}

async function retry(places: readonly string[], options: RetryOptions): Promise<void> {
  if (places.length === 0 && options.code === undefined && !options.all) {
    throw wrongUsage('Name the letters: their places, --code CODE, or --all.');
  }
  const environment = loadEnvironment();
  const known = await letters(environment);
  const unknown = places.filter((place) => !known.some((letter) => letter.place === place));
  if (unknown.length > 0) throw wrongUsage(`There is no dead letter ${unknown.join(', ')}.`);
  const chosen =
    places.length > 0 ? known.filter(({ place }) => places.includes(place)) : select(known, { ...options, all: false });
  const at = new Date().toISOString();
  const retried = chosen.length === 0 ? 0 : await withLog(environment, (log) => retryDeadLetters(log, chosen, at));
  process.stdout.write(options.json ? `${JSON.stringify({ retried })}\n` : `${retried} put on their topic again\n`);
}

/** Runs an action; its failures are sentences where a user can do something about them. */
const told =
  <A extends unknown[]>(action: (...args: A) => Promise<void>) =>
  (...args: A): Promise<void> =>
    action(...args).catch((error: unknown) => {
      throw sentenceOf(error);
    });

export function deadletterCommand(): Command {
  const listCommand = new Command('list')
    .description('place, code, age and size of each message that could not be decided')
    .option('--code <code>', 'only those with this error code')
    .option('--all', 'also those that were put on their topic again', false)
    .option('--payload', 'with the original messages, which hold personal data', false)
    .option('--json', 'one JSON document on stdout', false)
    .action(told((options: ListOptions) => list(options)));
  const retryCommand = new Command('retry')
    .description(
      'put messages on their topic again, once what was wrong is mended; with an embedded log, while Holdfast is stopped',
    )
    .argument('[places...]', 'TOPIC/PARTITION/OFFSET as `list` shows them; these even if they were retried before')
    .option('--code <code>', 'all with this error code that were not retried')
    .option('--all', 'all that were not retried', false)
    .option('--json', 'one JSON document on stdout', false)
    .action(told((places: string[], options: RetryOptions) => retry(places, options)));
  return new Command('deadletter')
    .description('messages that could not be decided')
    .addCommand(listCommand)
    .addCommand(retryCommand);
}
