/** `holdfast train FILE --out DIR`: a model from labelled payments, through the release's own features. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { failed, wrongUsage } from '../config/exit.ts';
import { readModelDirectory, writeModelDirectory } from '../models/directory.ts';
import { cardMarkdown, type TrainedCard } from '../models/training/card.ts';
import { splitDaysMax } from '../models/training/protocol.ts';
import { day, wholeNumber } from './options.ts';
import { readMapping } from './replay/mapping.ts';
import { openSource } from './replay/source.ts';
import { readRecipe } from './train/recipe.ts';

interface Options {
  readonly out: string;
  readonly trainStart: number;
  readonly trainDays: number;
  readonly delayDays: number;
  readonly testDays: number;
  readonly features: string;
  readonly recipe: string;
  readonly mapping?: string;
  readonly seed: number;
  readonly json: boolean;
}

const configDirectory = resolve(import.meta.dirname, '../../config/default');
const dayMs = 86_400_000;
const seedMax = 2 ** 31 - 1;

function readFeatures(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrongUsage(`The features ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** One line that is written over on a terminal; elsewhere a line for each stage and every tenth step of it. */
function startProgress(): { show: (text: string) => void; end: () => void } {
  const { isTTY } = process.stderr;
  let [stage, steps] = ['', 0];
  return {
    show(text) {
      const named = text.split(':')[0] ?? '';
      steps = named === stage ? steps + 1 : 0;
      stage = named;
      const everySteps = named === 'features' ? (isTTY ? 50 : 1000) : 1;
      if (steps % everySteps === 0) process.stderr.write(isTTY ? `\r\u001b[K${text}` : `${text}\n`);
    },
    end() {
      if (isTTY) process.stderr.write('\r\u001b[K');
    },
  };
}

function summaryText(card: TrainedCard, directory: string): string {
  const { split, metrics } = card;
  return [
    `${card.id} ${card.version.slice(0, 12)} in ${directory}`,
    `trained on ${split.trainRows} payments with ${split.trainFrauds} frauds, tested on ${split.testRows} with ${split.testFrauds}`,
    `ROC AUC ${metrics.auc.toFixed(3)}, average precision ${metrics.averagePrecision.toFixed(3)}, card precision at 100 ${metrics.cardPrecisionAt100.toFixed(3)}`,
  ].join('\n');
}

async function train(file: string, options: Options): Promise<void> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const progress = startProgress();
  try {
    const recipe = readRecipe(options.recipe);
    const features = readFeatures(options.features);
    const source = openSource(file, options.mapping === undefined ? undefined : readMapping(options.mapping));
    // TF.js is loaded when there is something to train, so that help and wrong usage answer at once.
    const { runTraining } = await import('./train/run.ts');
    const result = await runTraining({
      file,
      source,
      recipe,
      features,
      split: {
        trainStartDay: options.trainStart / dayMs,
        trainDays: options.trainDays,
        delayDays: options.delayDays,
        testDays: options.testDays,
      },
      seed: options.seed,
      signal: stop.signal,
      onStage: progress.show,
    });
    progress.end();
    if (result === undefined) throw failed('Stopped before the end; nothing was written.');
    await writeModelDirectory(options.out, result.artefact);
    await writeFile(join(options.out, 'CARD.md'), cardMarkdown(result.card));
    await readModelDirectory(options.out);
    process.stdout.write(
      options.json ? `${JSON.stringify(result.card)}\n` : `${summaryText(result.card, options.out)}\n`,
    );
  } finally {
    progress.end();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

export function trainCommand(): Command {
  return new Command('train')
    .argument('<file>', 'labelled payments in time order (.csv, also .gz), as for replay')
    .requiredOption('--out <directory>', 'where model.json, weights.bin, card.json and CARD.md go')
    .addOption(
      new Option('--train-start <day>', 'first train day, UTC')
        .argParser(day)
        .default(Date.UTC(2018, 6, 25), '2018-07-25'),
    )
    .option('--train-days <days>', 'days to learn from', wholeNumber(1, splitDaysMax), 7)
    .option('--delay-days <days>', 'days until a label is known', wholeNumber(0, splitDaysMax), 7)
    .option('--test-days <days>', 'days to be judged by', wholeNumber(1, splitDaysMax), 7)
    .option('--features <file>', 'feature definitions', join(configDirectory, 'features.json'))
    .option('--recipe <file>', 'inputs and settings of the training', join(configDirectory, 'model/recipe.json'))
    .option('--mapping <file>', 'how the columns of a CSV file become payments (docs/replay.md)')
    .option('--seed <number>', 'the same seed gives the same model', wholeNumber(0, seedMax), 1)
    .option('--json', 'print the card as one JSON document', false)
    .action(train);
}
