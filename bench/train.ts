/**
 * `train`: the handbook's training week (67,240 payments) from decoded payments to weights: features by the online code, then the
 * default recipe's network for all its epochs on WebAssembly; rows a second. Beside it scikit-learn's logistic regression on the
 * same standardised table, fit only, where Python has it. They take turns.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createVelocityMemory } from '../src/adapters/memory/velocity.ts';
import { dayMs } from '../src/cli/history/feed.ts';
import { buildHistory, type History, trainingLayout } from '../src/cli/history/history.ts';
import type { LabelledPayments } from '../src/cli/history/labelled.ts';
import { openPayments } from '../src/cli/history/payments.ts';
import { tableOf, trainingInputs } from '../src/cli/train/inputs.ts';
import { neededDefinitions } from '../src/cli/train/needed.ts';
import { candidatesOf, factsOf, readRecipe } from '../src/cli/train/recipe.ts';
import { unreachable } from '../src/config/exit.ts';
import type { FeatureDefinitions } from '../src/features/definitions.ts';
import { compileFeatures } from '../src/features/program.ts';
import { startTrainingBackend } from '../src/models/training/backend.ts';
import { fit } from '../src/models/training/fit.ts';
import { median, printMetric, rangeOf, sizeOf } from './lib.ts';

const config = resolve(import.meta.dirname, '../config/default');
const dataFile =
  process.env['HOLDFAST_SHARED_DATA'] === undefined
    ? resolve(import.meta.dirname, '../../shared/data/handbook/transactions.csv.gz')
    : join(process.env['HOLDFAST_SHARED_DATA'], 'handbook/transactions.csv.gz');
const weekStart = Date.UTC(2018, 6, 25) / dayMs;
const weekDays = 7;
/** Longest reach of the inputs. */
const memoryDays = 38;

/** Payments that the week's features remember, and the week's. */
async function payments(): Promise<{ before: LabelledPayments[]; week: LabelledPayments[] }> {
  const [before, week]: LabelledPayments[][] = [[], []];
  for await (const some of openPayments(dataFile, undefined).payments()) {
    const dayOf = (at: number): number => Math.floor((some.payments[at]?.occurredAtMs ?? 0) / dayMs);
    const part = (from: number, end: number): LabelledPayments => {
      const inside = some.payments.map((_, at) => dayOf(at) >= from && dayOf(at) < end);
      return {
        payments: some.payments.filter((_, at) => inside[at]),
        frauds: some.frauds.filter((_, at) => inside[at] === true),
      };
    };
    if (dayOf(0) >= weekStart + weekDays) break;
    before?.push(part(weekStart - memoryDays, weekStart));
    week?.push(part(weekStart, weekStart + weekDays));
  }
  return { before: before ?? [], week: week ?? [] };
}

const recipe = readRecipe(join(config, 'model/recipe.json'));
const { numeric: facts, categories } = factsOf(recipe.inputs);

/** The week's history, and the milliseconds that its features took. */
async function features(data: Awaited<ReturnType<typeof payments>>): Promise<{ history: History; ms: number }> {
  const definitions = JSON.parse(readFileSync(join(config, 'features.json'), 'utf8')) as FeatureDefinitions;
  const program = compileFeatures(neededDefinitions(definitions, facts));
  let startedAt = 0;
  async function* inOrder(): AsyncGenerator<LabelledPayments> {
    yield* data.before;
    startedAt = performance.now();
    yield* data.week;
  }
  const history = await buildHistory(inOrder(), {
    memory: createVelocityMemory(program, {}),
    layout: trainingLayout(program),
    facts,
    categories,
    firstDay: weekStart,
    endDay: weekStart + weekDays,
    delayDays: weekDays,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (history === undefined) throw new Error('nobody stopped it');
  return { history, ms: performance.now() - startedAt };
}

const rowsAndTable = (history: History) => {
  const rows = Int32Array.from({ length: history.rows }, (_, row) => row);
  return { rows, table: tableOf(history, rows, trainingInputs(recipe, history, rows, new Map())) };
};

function ours(history: History): number {
  const startedAt = performance.now();
  const { rows, table } = rowsAndTable(history);
  const [settings] = candidatesOf(recipe);
  if (settings === undefined) throw new Error('a recipe has settings');
  fit(
    { table, rows, validationRows: new Int32Array(0), options: { ...settings, seed: 1 } },
    { stopped: () => false, onEpoch: () => undefined },
  );
  return performance.now() - startedAt;
}

const script = `
import sys, time, numpy
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
width = int(sys.argv[2])
x = numpy.fromfile(sys.argv[1] + '/x', numpy.float32).reshape(-1, width)
y = numpy.fromfile(sys.argv[1] + '/y', numpy.uint8)
started = time.perf_counter()
LogisticRegression(max_iter=1000).fit(StandardScaler().fit_transform(x), y)
print((time.perf_counter() - started) * 1000)
`;

/** Milliseconds of a fit; undefined where Python or scikit-learn is not there. */
function logisticRegression(history: History): number | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  try {
    const { table } = rowsAndTable(history);
    writeFileSync(join(directory, 'x'), table.values);
    writeFileSync(join(directory, 'y'), table.labels);
    const python = process.env['BENCH_PYTHON'] ?? 'python3';
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    return Number(
      execFileSync(python, ['-c', script, directory, String(facts.length)], { encoding: 'utf8', stdio: [...stdio] }),
    );
  } catch {
    return undefined;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function run(): Promise<void> {
  if (!existsSync(dataFile)) throw unreachable(`The handbook's data set is not at ${dataFile}.`);
  const n = sizeOf('BENCH_ROUNDS', 3);
  const data = await payments();
  await startTrainingBackend('wasm');
  const [rates, theirRates]: number[][] = [[], []];
  let [featureMs, fitMs, rows] = [0, 0, 0];
  for (let round = 0; round < n; round++) {
    const made = await features(data);
    fitMs = ours(made.history);
    featureMs = made.ms;
    rows = made.history.rows;
    rates?.push((rows * 1000) / (featureMs + fitMs));
    const theirMs = logisticRegression(made.history);
    if (theirMs !== undefined) theirRates?.push((rows * 1000) / theirMs);
  }
  const values = rates ?? [];
  const theirs = theirRates ?? [];
  printMetric({
    bench: 'train',
    metric: 'rows_per_s',
    value: median(values),
    unit: 'rows/s',
    ...(theirs.length === 0 ? {} : { ratio_to: 'sklearn_logistic_regression', ratio: median(values) / median(theirs) }),
    n,
    spread: rangeOf(values),
    rows,
    epochs: recipe.epochs,
    featureMs: Math.round(featureMs),
    fitMs: Math.round(fitMs),
    ...(theirs.length === 0
      ? { absent: 'scikit-learn (python3 with sklearn; BENCH_PYTHON names another Python)' }
      : {}),
  });
  if (theirs.length > 0) {
    printMetric({
      bench: 'train',
      metric: 'sklearn_logistic_rows_per_s',
      value: median(theirs),
      unit: 'rows/s',
      n: theirs.length,
      spread: rangeOf(theirs),
    });
  }
}
