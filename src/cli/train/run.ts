/** One training from file to artefact: features, fit, and the evaluation by the compiled kernel that will serve it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { createVelocityMemory } from '../../adapters/memory/velocity.ts';
import { failed } from '../../config/exit.ts';
import { compileFeatures } from '../../features/program.ts';
import { rankingMetrics } from '../../models/metrics.ts';
import { assemble, scalingEpsilon } from '../../models/training/assemble.ts';
import type { TrainedCard } from '../../models/training/card.ts';
import { type FitOptions, fit, trainingLibrary } from '../../models/training/fit.ts';
import { type Split, splitRows } from '../../models/training/protocol.ts';
import { standardisation, trainingTable } from '../../models/training/table.ts';
import type { ModelArtefact } from '../../models/types.ts';
import { modelVersion, weightsHash } from '../../models/version.ts';
import type { ReplaySource } from '../replay/source.ts';
import { rowFacts, scoreHistory } from './evaluate.ts';
import { buildHistory, dayMs, trainingLayout } from './history.ts';
import type { Recipe } from './recipe.ts';

export interface TrainingJob {
  readonly file: string;
  readonly source: ReplaySource;
  readonly recipe: Recipe;
  /** Content of features.json. */
  readonly features: unknown;
  readonly split: Split;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStage: (stage: string) => void;
}

export interface TrainingResult {
  readonly artefact: ModelArtefact;
  readonly card: TrainedCard;
}

const limits = [
  'Learned from simulated card payments: the measures say nothing about production.',
  'Knows only the patterns in its train days; payments without a terminal or with other habits are outside of what it has seen.',
  'Probabilities are as calibrated as the train days: another rate of fraud needs another training.',
];

const dayText = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);

async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function checkRows(what: string, rows: number, frauds: number, first: number, days: number): void {
  const period = `the ${days} ${what} days from ${dayText(first)}`;
  if (rows === 0) throw failed(`The file has no payments in ${period}.`);
  if (frauds === 0 || frauds === rows)
    throw failed(
      `The payments in ${period} are all ${frauds === 0 ? 'without' : 'with'} a fraud label: there is nothing to learn or to measure.`,
    );
}

/** @returns undefined when the signal stopped it. @throws CommandError where the data do not allow it. */
export async function runTraining(job: TrainingJob): Promise<TrainingResult | undefined> {
  const { recipe, split, seed, signal } = job;
  const program = compileFeatures(job.features);
  const layout = trainingLayout(program);
  const unknown = recipe.inputs.filter(({ fact }) => !layout.numeric.includes(fact)).map(({ fact }) => fact);
  if (unknown.length > 0) throw failed(`The features do not have these inputs of the recipe: ${unknown.join(', ')}.`);
  const testStartDay = split.trainStartDay + split.trainDays + split.delayDays;
  job.onStage('features');
  const history = await buildHistory(job.source.items(), {
    memory: createVelocityMemory(program, {}),
    facts: recipe.inputs.map(({ fact }) => fact),
    layout,
    firstDay: split.trainStartDay,
    endDay: testStartDay + split.testDays,
    delayDays: split.delayDays,
    signal,
    onProgress: (payments) =>
      job.onStage(
        `features: ${payments} payments, ${Math.floor((100 * job.source.bytesRead()) / job.source.bytesTotal)} % of the file`,
      ),
  });
  if (history === undefined) return undefined;
  const rows = splitRows(history, split);
  const frauds = (some: readonly number[]) => some.reduce((count, row) => count + (history.frauds[row] ?? 0), 0);
  const [trainFrauds, testFrauds] = [frauds(rows.train), frauds(rows.test)];
  checkRows('train', rows.train.length, trainFrauds, split.trainStartDay, split.trainDays);
  checkRows('test', rows.test.length, testFrauds, testStartDay, split.testDays);

  const width = recipe.inputs.length;
  const labels = Uint8Array.from(rows.train, (row) => history.frauds[row] ?? 0);
  const table = trainingTable(recipe.inputs, rowFacts(history, rows.train, width), labels);
  const scale = standardisation(table);
  const { hidden, epochs, batchRows, learningRate, weightDecay, averagedPart } = recipe;
  const options: FitOptions = { hidden, epochs, batchRows, learningRate, weightDecay, averagedPart, seed };
  const outcome = await fit(table, scale, scalingEpsilon, options, {
    signal,
    onEpoch: (epoch, loss) => job.onStage(`training: epoch ${epoch} of ${epochs}, mean loss ${loss.toFixed(5)}`),
  });
  if (outcome.kind === 'aborted') return undefined;

  job.onStage('evaluation');
  const draft = await assemble(scale, outcome.parameters, { id: recipe.id, inputs: recipe.inputs });
  const card: TrainedCard = {
    id: recipe.id,
    about: recipe.about ?? '',
    inputs: recipe.inputs,
    data: {
      file: basename(job.file),
      sha256: await fileSha256(job.file),
      payments: history.paymentsFed,
      refused: history.refused,
    },
    features: {
      sha256: createHash('sha256').update(JSON.stringify(job.features)).digest('hex'),
      stateFingerprint: program.stateFingerprint,
    },
    split: {
      trainStart: dayText(split.trainStartDay),
      trainDays: split.trainDays,
      delayDays: split.delayDays,
      testStart: dayText(testStartDay),
      testDays: split.testDays,
      trainRows: rows.train.length,
      trainFrauds,
      testRows: rows.test.length,
      testFrauds,
    },
    training: { ...options, library: trainingLibrary, meanLoss: outcome.meanLoss },
    metrics: rankingMetrics(await scoreHistory(draft, history, rows.test)),
    weightsSha256: weightsHash(draft),
    version: modelVersion(draft),
    limits,
  };
  return { artefact: { ...draft, card }, card };
}
