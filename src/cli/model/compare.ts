/** `holdfast model compare`: champion and challengers of a running Holdfast, on the labels that have arrived. */
import { Command } from 'commander';
import { loadEnvironment } from '../../config/env.ts';
import { failed, unreachable, wrongUsage } from '../../config/exit.ts';
import { type Measure, measureNames } from '../../models/monitoring/comparison.ts';
import type { ModelComparison } from '../../pipeline/modelAnalytics.ts';
import { wholeNumber } from '../options.ts';

const requestTimeoutMs = 30_000;
const daysMax = 400;

interface Options {
  readonly url: string;
  readonly key?: string;
  readonly days: number;
  readonly assumedAfterDays?: number;
  readonly seed: number;
  readonly json: boolean;
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
}

async function ask(url: URL, key: string | undefined): Promise<Response> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  try {
    return await fetch(url, { headers, signal: AbortSignal.timeout(requestTimeoutMs) });
  } catch {
    throw unreachable(
      `No Holdfast answers at ${url.origin}. Start one with \`npm start\`, or name another with --url.`,
    );
  }
}

async function comparisonOf(model: string, options: Options): Promise<ModelComparison> {
  if (!URL.canParse(options.url)) throw wrongUsage('--url must be an http or https address.');
  const url = new URL(`/v1/models/${encodeURIComponent(model)}/comparison`, options.url);
  url.searchParams.set('days', String(options.days));
  url.searchParams.set('seed', String(options.seed));
  if (options.assumedAfterDays !== undefined) {
    url.searchParams.set('assumedAfterDays', String(options.assumedAfterDays));
  }
  const response = await ask(url, options.key ?? loadEnvironment().apiKey);
  const { status } = response;
  if (status === 401 || status === 403) {
    throw wrongUsage(`${url.origin} refuses the API key (HTTP ${status}): give it with --key or HOLDFAST_API_KEY.`);
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (status === 200) return body as ModelComparison;
  const { code, detail } = (body ?? {}) as Problem;
  throw failed(`${url.origin} answers ${code ?? status}: ${detail ?? 'no comparison'}`);
}

const digits = 3;

function cell({ value, interval }: Measure): string {
  if (value === null) return 'not defined';
  const range = interval === null ? '' : ` [${interval.low.toFixed(digits)}, ${interval.high.toFixed(digits)}]`;
  return `${value.toFixed(digits)}${range}`;
}

function textOf({ rows, known, frauds, customers, models }: ModelComparison): string {
  const lines = [`${rows} of ${known} payments whose truth is known, ${frauds} frauds, ${customers} customers`];
  for (const { id, version, measures, differences } of models) {
    lines.push(`${id} ${version.slice(0, 12)}${differences === null ? ', champion' : ''}`);
    for (const name of measureNames) {
      const against = differences === null ? '' : `   against the champion ${cell(differences[name])}`;
      lines.push(`  ${name.padEnd(17)} ${cell(measures[name])}${against}`);
    }
  }
  return lines.join('\n');
}

export function compareCommand(): Command {
  return new Command('compare')
    .argument('[model]', 'id or beginning of a version; the champion, with all challengers, unless told', 'champion')
    .description('compare the models of a running Holdfast on the labels that have arrived')
    .option('--url <url>', 'where Holdfast listens', 'http://127.0.0.1:8080')
    .option('--key <key>', 'API key; HOLDFAST_API_KEY keeps it out of the process list')
    .option('--days <days>', 'decisions of so many days, up to now', wholeNumber(1, daysMax), 30)
    .option(
      '--assumed-after-days <days>',
      'take a payment without a label as legitimate when it is so old',
      wholeNumber(0, daysMax),
    )
    .option('--seed <number>', 'of the bootstrap', wholeNumber(0, 2 ** 31), 1)
    .option('--json', 'one JSON document on stdout', false)
    .action(async (model: string, options: Options) => {
      const comparison = await comparisonOf(model, options);
      process.stdout.write(options.json ? `${JSON.stringify(comparison)}\n` : `${textOf(comparison)}\n`);
    });
}
