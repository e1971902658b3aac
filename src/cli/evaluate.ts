/** `holdfast evaluate`: how good a recipe or a model is, by the protocol that training uses. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { wrongUsage } from '../config/exit.ts';
import type { TrainingBackend } from '../models/training/backend.ts';
import { splitDaysMax } from '../models/training/protocol.ts';
import { openPayments } from './history/payments.ts';
import { day, type FactIs, factIs, wholeNumber } from './options.ts';
import { readMapping } from './replay/mapping.ts';
import { readFeatures } from './train/data.ts';
import { startProgress } from './train/progress.ts';
import { candidatesOf, readRecipe } from './train/recipe.ts';
import { readReleaseTexts } from './train/releaseTexts.ts';
import { onStopSignal } from './train/stopSignal.ts';

interface Options {
  readonly protocol?: 'handbook';
  readonly model?: string;
  readonly data?: string;
  readonly trainStart?: number;
  readonly trainDays: number;
  readonly historyDays?: number;
  readonly delayDays: number;
  readonly testDays: number;
  readonly features: string;
  readonly recipe: string;
  readonly mapping?: string;
  readonly where?: readonly FactIs[];
  readonly seeds: number;
  readonly backend: TrainingBackend | 'auto';
  readonly json: boolean;
}

const configDirectory = resolve(import.meta.dirname, '../../config/default');
/** Where the public data sets lie beside a checkout (docs/models.md). */
const handbookFile = resolve(import.meta.dirname, '../../../shared/data/handbook/transactions.csv.gz');
const dayMs = 86_400_000;
const seedsMax = 25;

const threeDigits = ({ auc, ap, cp100 }: { auc: number; ap: number; cp100: number }): string =>
  `ROC AUC ${auc.toFixed(3)}, average precision ${ap.toFixed(3)}, card precision at 100 ${cp100.toFixed(3)}`;

const openData = (path: string, mapping: string | undefined) =>
  openPayments(path, mapping === undefined ? undefined : readMapping(mapping));

async function evaluateProtocol(options: Options): Promise<void> {
  const recipe = readRecipe(options.recipe);
  const features = readFeatures(options.features);
  const file = options.data ?? handbookFile;
  if (!existsSync(file)) throw wrongUsage(`There is no data set at ${file}: name the handbook's file with --data.`);
  const source = openData(file, options.mapping);
  const historyDays = options.historyDays ?? recipe.historyDays ?? 0;
  const { signal, release } = onStopSignal();
  const progress = startProgress(source);
  try {
    const { evaluateHandbook } = await import('./evaluate/handbook.ts');
    const { chosenBackend } = await import('./train/chosenBackend.ts');
    const { trainingLibrary } = await import('../models/training/backend.ts');
    const backend = chosenBackend(options.backend);
    const result = await evaluateHandbook({
      source,
      recipe,
      features,
      releaseTexts: readReleaseTexts(recipe, options.features, features),
      historyDays,
      seeds: options.seeds,
      backend,
      signal,
      onPayments: progress.onPayments,
      onEpoch: progress.onEpoch,
      onFold: (fold, seed, measures) =>
        process.stderr.isTTY || process.stderr.write(`fold ${fold}, seed ${seed}: ${threeDigits(measures)}\n`),
    });
    progress.stop();
    const { id, ensemble } = recipe;
    const [settings] = candidatesOf(recipe);
    const said = {
      ...result,
      protocol: 'handbook',
      seeds: options.seeds,
      learnDays: Math.max(7, historyDays),
      backend: trainingLibrary(backend),
      recipe: { id, ...settings, ensemble, historyDays, inputs: recipe.inputs.map(({ fact }) => fact) },
    };
    process.stdout.write(
      options.json
        ? `${JSON.stringify(said)}\n`
        : [
            `median over ${options.seeds} seeds, learned from ${said.learnDays} days`,
            `published split: ${threeDigits(result.published)}`,
            ...result.folds.map((fold) => `fold from ${fold.trainStart}: ${threeDigits(fold)}`),
            `mean of the folds: ${threeDigits(result.mean)}`,
            '',
          ].join('\n'),
    );
  } finally {
    progress.stop();
    release();
  }
}

async function evaluateOne(directory: string, options: Options): Promise<void> {
  if (options.data === undefined) throw wrongUsage('Name the labelled payments with --data FILE.');
  if (options.trainStart === undefined)
    throw wrongUsage('Name the first train day with --train-start YYYY-MM-DD: the test days follow from it.');
  const features = readFeatures(options.features);
  const source = openData(options.data, options.mapping);
  const { signal, release } = onStopSignal();
  const progress = startProgress(source);
  try {
    const { evaluateModel } = await import('./evaluate/model.ts');
    const result = await evaluateModel({
      directory,
      source,
      features,
      split: {
        trainStartDay: options.trainStart / dayMs,
        trainDays: options.trainDays,
        historyDays: 0,
        delayDays: options.delayDays,
        testDays: options.testDays,
      },
      where: options.where ?? [],
      signal,
      onPayments: progress.onPayments,
    });
    progress.stop();
    process.stdout.write(
      options.json
        ? `${JSON.stringify(result)}\n`
        : `${result.model.id} ${result.model.version.slice(0, 12)} on ${result.testRows} payments with ${result.testFrauds} frauds: ${threeDigits(result)}\n`,
    );
  } finally {
    progress.stop();
    release();
  }
}

async function evaluate(options: Options): Promise<void> {
  if (options.protocol !== undefined && options.model === undefined) await evaluateProtocol(options);
  else if (options.protocol === undefined && options.model !== undefined) await evaluateOne(options.model, options);
  else throw wrongUsage('Say either --protocol handbook (trains the recipe) or --model DIR (scores a model).');
}

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description('how good a recipe or a model is')
    .addOption(
      new Option('--protocol <name>', 'train the recipe on the splits of a public benchmark').choices(['handbook']),
    )
    .option('--model <directory>', 'score this model on the test days of --data')
    .option('--data <file>', 'labelled payments in time order (.csv, .ndjson, also .gz)')
    .addOption(new Option('--train-start <day>', 'first train day, UTC').argParser(day))
    .option('--train-days <days>', 'days to learn from', wholeNumber(1, splitDaysMax), 7)
    .option(
      '--history-days <days>',
      'learn from so many days that end with the train days (by the recipe; 7 is the strict protocol)',
      wholeNumber(0, splitDaysMax),
    )
    .option('--delay-days <days>', 'days until a label is known', wholeNumber(0, splitDaysMax), 7)
    .option('--test-days <days>', 'days to be judged by', wholeNumber(1, splitDaysMax), 7)
    .option('--features <file>', 'feature definitions', join(configDirectory, 'features.json'))
    .option('--recipe <file>', 'inputs and settings of the training', join(configDirectory, 'model/recipe.json'))
    .option('--mapping <file>', 'how the columns of a CSV file become payments (docs/replay.md)')
    .addOption(
      new Option(
        '--where <fact=number>',
        'judge a model only by payments of which this fact is so; may be repeated',
      ).argParser(factIs),
    )
    .option('--seeds <number>', 'trainings whose median counts', wholeNumber(1, seedsMax), 3)
    .addOption(
      new Option('--backend <name>', 'what trains: tfjs-node where npm run setup:tfjs-node installed it, else wasm')
        .choices(['auto', 'wasm', 'tfjs-node'])
        .default('auto'),
    )
    .option('--json', 'print the result as one JSON document', false)
    .action(evaluate);
}
