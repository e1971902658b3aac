/** `holdfast train FILE --out DIR`: a model from labelled payments, through the release's own features. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { failed } from '../config/exit.ts';
import { readModelDirectory, writeModelDirectory } from '../models/directory.ts';
import type { TrainingBackend } from '../models/training/backend.ts';
import { cardMarkdown, type TrainedCard } from '../models/training/card.ts';
import { splitDaysMax } from '../models/training/protocol.ts';
import { openPayments } from './history/payments.ts';
import { day, wholeNumber } from './options.ts';
import { readMapping } from './replay/mapping.ts';
import { readFeatures } from './train/data.ts';
import { startProgress } from './train/progress.ts';
import { readRecipe } from './train/recipe.ts';
import { readReleaseTexts } from './train/releaseTexts.ts';
import type { TrainingResult } from './train/run.ts';
import { onStopSignal } from './train/stopSignal.ts';

interface Options {
  readonly out: string;
  readonly trainStart: number;
  readonly trainDays: number;
  readonly historyDays?: number;
  readonly delayDays: number;
  readonly testDays: number;
  readonly features: string;
  readonly recipe: string;
  readonly mapping?: string;
  readonly backend: TrainingBackend | 'auto';
  readonly seed: number;
  readonly json: boolean;
}

const configDirectory = resolve(import.meta.dirname, '../../config/default');
const dayMs = 86_400_000;
const seedMax = 2 ** 20;

function summaryText(card: TrainedCard, directory: string): string {
  const { split, metrics, training } = card;
  return [
    `${card.id} ${card.version.slice(0, 12)} in ${directory}${training.interrupted ? ' (stopped early: the best so far)' : ''}`,
    `learned from ${split.trainRows} payments with ${split.trainFrauds} frauds (${split.learnDays} days), tested on ${split.testRows} with ${split.testFrauds}`,
    `ROC AUC ${metrics.auc.toFixed(3)}, average precision ${metrics.averagePrecision.toFixed(3)}, card precision at 100 ${metrics.cardPrecisionAt100.toFixed(3)}`,
  ].join('\n');
}

/** Pages beside the model, each written whole or not at all. */
async function writePages(directory: string, { card, plots }: TrainingResult): Promise<void> {
  for (const [name, content] of [['CARD.md', cardMarkdown(card)], ...Object.entries(plots)] as [string, string][]) {
    const temporary = join(directory, `.${name}.writing`);
    try {
      await writeFile(temporary, content);
      await rename(temporary, join(directory, name));
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

async function train(file: string, options: Options): Promise<void> {
  const recipe = readRecipe(options.recipe);
  const features = readFeatures(options.features);
  const source = openPayments(file, options.mapping === undefined ? undefined : readMapping(options.mapping));
  const { signal, release } = onStopSignal();
  const progress = startProgress(source);
  try {
    // TF.js is loaded when there is something to train, so that help and wrong usage answer at once.
    const { runTraining } = await import('./train/run.ts');
    const { chosenBackend } = await import('./train/chosenBackend.ts');
    const result = await runTraining({
      file,
      source,
      recipe,
      features,
      releaseTexts: readReleaseTexts(recipe, options.features, features),
      split: {
        trainStartDay: options.trainStart / dayMs,
        trainDays: options.trainDays,
        historyDays: options.historyDays ?? recipe.historyDays ?? 0,
        delayDays: options.delayDays,
        testDays: options.testDays,
      },
      seed: options.seed,
      backend: chosenBackend(options.backend),
      signal,
      onPayments: progress.onPayments,
      onEpoch: progress.onEpoch,
    });
    progress.stop();
    if (result === undefined) throw failed('Stopped before the first epoch was over; nothing was written.');
    await writeModelDirectory(options.out, result.artefact);
    await writePages(options.out, result);
    await readModelDirectory(options.out);
    process.stdout.write(
      options.json ? `${JSON.stringify(result.card)}\n` : `${summaryText(result.card, options.out)}\n`,
    );
  } finally {
    progress.stop();
    release();
  }
}

export function trainCommand(): Command {
  return new Command('train')
    .argument('<file>', 'labelled payments in time order (.csv, .ndjson, also .gz), as for replay')
    .requiredOption('--out <directory>', 'where model.json, weights.bin, card.json, CARD.md and its charts go')
    .addOption(
      new Option('--train-start <day>', 'first train day, UTC')
        .argParser(day)
        .default(Date.UTC(2018, 6, 25), '2018-07-25'),
    )
    .option('--train-days <days>', 'days to learn from', wholeNumber(1, splitDaysMax), 7)
    .option(
      '--history-days <days>',
      'learn from so many days that end with the train days, if they are more (by the recipe)',
      wholeNumber(0, splitDaysMax),
    )
    .option('--delay-days <days>', 'days until a label is known', wholeNumber(0, splitDaysMax), 7)
    .option('--test-days <days>', 'days to be judged by', wholeNumber(1, splitDaysMax), 7)
    .option('--features <file>', 'feature definitions', join(configDirectory, 'features.json'))
    .option('--recipe <file>', 'inputs and settings of the training', join(configDirectory, 'model/recipe.json'))
    .option('--mapping <file>', 'how the columns of a CSV file become payments (docs/replay.md)')
    .addOption(
      new Option('--backend <name>', 'what computes: tfjs-node where npm run setup:tfjs-node installed it, else wasm')
        .choices(['auto', 'wasm', 'tfjs-node'])
        .default('auto'),
    )
    .option('--seed <number>', 'the same seed gives the same model', wholeNumber(0, seedMax), 1)
    .option('--json', 'print the card as one JSON document', false)
    .action(train);
}
