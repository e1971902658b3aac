/**
 * The handbook's protocol: four weekly splits, 7 days to learn, 7 to wait for labels, 7 to be judged by; the first is its
 * published split. For each, the recipe is trained on that split's own training period and scored once by the served kernel.
 */
import { failed } from '../../config/exit.ts';
import { assemble } from '../../models/training/assemble.ts';
import type { TrainingBackend } from '../../models/training/backend.ts';
import { foldEnsemble } from '../../models/training/ensemble.ts';
import { uncalibrated } from '../../models/training/platt.ts';
import { fitMembers, type ProcedureProgress, type Settings } from '../../models/training/procedure.ts';
import { learnFromDay, type Split, splitRows, testStartDayOf } from '../../models/training/protocol.ts';
import { meanMeasures, medianMeasures, type SplitMeasures, splitMeasures } from '../../models/training/summary.ts';
import type { TrainingTable } from '../../models/training/table.ts';
import type { History } from '../history/history.ts';
import type { PaymentSource } from '../history/payments.ts';
import { checkJudgingRows, checkTrainRows, dayText, loadData } from '../train/data.ts';
import { type ReleaseTexts, tableOf, trainingInputs } from '../train/inputs.ts';
import { candidatesOf, factsOf, type Recipe } from '../train/recipe.ts';
import { scoredPayments, scoreRows } from '../train/score.ts';
import { createTrainer, type TrainingPool } from '../train/trainer.ts';

const dayMs = 86_400_000;
const firstTrainDay = Date.UTC(2018, 6, 25) / dayMs;
const week = 7;
const foldCount = 4;

export interface HandbookJob {
  readonly source: PaymentSource;
  readonly recipe: Recipe;
  readonly features: unknown;
  readonly releaseTexts: ReleaseTexts;
  readonly historyDays: number;
  /** Seeds 1 … seeds. */
  readonly seeds: number;
  readonly backend: TrainingBackend;
  readonly signal: AbortSignal;
  readonly onPayments: (paymentsFed: number) => void;
  readonly onFold: (fold: number, seed: number, measures: SplitMeasures) => void;
  readonly onEpoch: (progress: ProcedureProgress) => void;
}

export interface FoldResult extends SplitMeasures {
  readonly trainStart: string;
  readonly testStart: string;
  readonly learnFrom: string;
  readonly trainRows: number;
  readonly testRows: number;
  /** In the order of the seeds. */
  readonly seeds: readonly SplitMeasures[];
}

export interface HandbookResult {
  /** Of the published split: the first fold's. */
  readonly published: SplitMeasures;
  /** Each the median over the seeds. */
  readonly folds: readonly FoldResult[];
  readonly mean: SplitMeasures;
}

const splitsOf = (historyDays: number): Split[] =>
  Array.from({ length: foldCount }, (_, fold) => ({
    trainStartDay: firstTrainDay + fold * week,
    trainDays: week,
    historyDays,
    delayDays: week,
    testDays: week,
  }));

interface FoldTask {
  readonly history: History;
  readonly split: Split;
  readonly settings: Settings;
  readonly job: HandbookJob;
  readonly trainer: TrainingPool;
}

interface FoldData {
  readonly table: TrainingTable;
  readonly inputs: ReturnType<typeof trainingInputs>;
  readonly test: Int32Array;
}

async function oneSeed(
  { history, settings, job, trainer }: FoldTask,
  { table, inputs, test }: FoldData,
  seed: number,
): Promise<SplitMeasures> {
  const { recipe } = job;
  const task = { table, rows: Int32Array.from({ length: table.rows }, (_, place) => place), seed };
  const fits = await fitMembers(task, settings, recipe.ensemble, settings.epochs, trainer, job.onEpoch);
  const [first] = fits;
  if (job.signal.aborted || first === undefined) throw failed('Stopped before the end: there is no result.');
  const parameters = foldEnsemble(
    fits.map((fitted) => fitted.parameters),
    uncalibrated,
  );
  const artefact = await assemble(first.scale, parameters, { id: recipe.id, inputs: inputs.inputs });
  const facts = factsOf(recipe.inputs).numeric;
  return splitMeasures(scoredPayments(history, test, await scoreRows(artefact, facts, history, test)));
}

async function foldResult(task: FoldTask, fold: number): Promise<FoldResult> {
  const { history, split, job } = task;
  const rows = splitRows(history, split);
  const learnFrom = learnFromDay(split);
  checkTrainRows(history, rows.train, learnFrom, split.trainStartDay + split.trainDays - learnFrom);
  checkJudgingRows(history, rows.test, 'test', testStartDayOf(split), split.testDays);
  const inputs = trainingInputs(job.recipe, history, rows.train, job.releaseTexts);
  const data: FoldData = { table: tableOf(history, rows.train, inputs), inputs, test: rows.test };
  // All seeds at once: the trainer queues them, and no core waits for the last network of a seed.
  const seeds = await Promise.all(Array.from({ length: job.seeds }, (_, index) => oneSeed(task, data, index + 1)));
  seeds.forEach((measures, index) => job.onFold(fold, index + 1, measures));
  return {
    ...medianMeasures(seeds),
    trainStart: dayText(split.trainStartDay),
    testStart: dayText(testStartDayOf(split)),
    learnFrom: dayText(learnFrom),
    trainRows: rows.train.length,
    testRows: rows.test.length,
    seeds,
  };
}

/** @throws CommandError where the file is not the handbook's, or the signal stopped it */
export async function evaluateHandbook(job: HandbookJob): Promise<HandbookResult> {
  const splits = splitsOf(job.historyDays);
  const [first, last] = [splits[0] as Split, splits[foldCount - 1] as Split];
  const { numeric, categories } = factsOf(job.recipe.inputs);
  const data = await loadData({
    source: job.source,
    features: job.features,
    facts: numeric,
    categories,
    firstDay: learnFromDay(first),
    endDay: testStartDayOf(last) + last.testDays,
    delayDays: week,
    signal: job.signal,
    onProgress: job.onPayments,
  });
  if (data === undefined) throw failed('Stopped before the end: there is no result.');
  const settings = candidatesOf(job.recipe)[0] as Settings;
  const trainer = createTrainer(job.backend, job.signal);
  try {
    const folds: FoldResult[] = [];
    for (const [fold, split] of splits.entries())
      folds.push(await foldResult({ history: data.history, split, settings, job, trainer }, fold + 1));
    const [{ auc, ap, cp100 }] = folds as [FoldResult];
    return { published: { auc, ap, cp100 }, folds, mean: meanMeasures(folds) };
  } finally {
    await trainer.close();
  }
}
