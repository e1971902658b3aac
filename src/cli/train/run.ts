/** One training from file to artefact: features, validation, fit, and the evaluation by the compiled kernel that will serve it. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { failed } from '../../config/exit.ts';
import { referenceOf } from '../../models/monitoring/reference.ts';
import { assemble } from '../../models/training/assemble.ts';
import { type TrainingBackend, trainingLibrary } from '../../models/training/backend.ts';
import type { PlotFile, TrainedCard } from '../../models/training/card.ts';
import { evaluationOf } from '../../models/training/evaluation.ts';
import {
  type ProcedureProgress,
  type Trained,
  trainModel,
  type ValidationWindow,
} from '../../models/training/procedure.ts';
import {
  learnFromDay,
  type Split,
  type SplitRows,
  splitRows,
  testStartDayOf,
  type ValidationDays,
  validationDaysOf,
  validationRows,
} from '../../models/training/protocol.ts';
import { uniform } from '../../models/training/random.ts';
import type { TrainingTable } from '../../models/training/table.ts';
import type { ModelArtefact } from '../../models/types.ts';
import { modelVersion, weightsHash } from '../../models/version.ts';
import type { History } from '../history/history.ts';
import type { PaymentSource } from '../history/payments.ts';
import { backgroundRows } from './background.ts';
import { codeVersion } from './codeVersion.ts';
import {
  checkFacts,
  checkJudgingRows,
  checkTrainRows,
  dayText,
  fileSha256,
  fraudsIn,
  loadData,
  trainingDays,
} from './data.ts';
import { type ReleaseTexts, referenceColumns, tableOf, trainingInputs } from './inputs.ts';
import { cardPlots } from './plots.ts';
import { candidatesOf, factsOf, type Recipe, validationWindowsOf } from './recipe.ts';
import { scoredPayments, scoreRows } from './score.ts';
import { createTrainer } from './trainer.ts';

export interface TrainingJob {
  readonly file: string;
  readonly source: PaymentSource;
  readonly recipe: Recipe;
  /** Content of features.json. */
  readonly features: unknown;
  /** For the vocabularies of the recipe's categories. */
  readonly releaseTexts: ReleaseTexts;
  readonly split: Split;
  readonly seed: number;
  readonly backend: TrainingBackend;
  /** Fires when the best so far shall do. */
  readonly signal: AbortSignal;
  readonly onPayments: (paymentsFed: number) => void;
  readonly onEpoch: (progress: ProcedureProgress) => void;
}

export interface TrainingResult {
  readonly artefact: ModelArtefact;
  readonly card: TrainedCard;
  readonly plots: Record<PlotFile, string>;
}

const defaultLimits = [
  'Knows only the patterns in its training days, and is as good as their labels.',
  'Probabilities are as calibrated as the days they were fitted on: another rate of fraud needs another training.',
];

const bothClasses = (history: History, rows: Int32Array): boolean => {
  const frauds = fraudsIn(history, rows);
  return frauds > 0 && frauds < rows.length;
};

/** Windows before the last one are left out where they cannot judge. @throws CommandError where the last one cannot */
function windowsOf(
  history: History,
  { split, recipe }: TrainingJob,
): { days: ValidationDays; rows: ValidationWindow }[] {
  const windows = validationDaysOf(split, validationWindowsOf(recipe)).map((days) => ({
    days,
    rows: validationRows(history, split, days),
  }));
  const { days, rows } = windows.at(-1) as (typeof windows)[number];
  checkJudgingRows(history, rows.trialRows, 'first train', days.trialFrom, days.trialDays);
  checkJudgingRows(history, rows.validationRows, 'last train', days.validationFrom, days.validationDays);
  return windows.filter(
    (one) => bothClasses(history, one.rows.trialRows) && bothClasses(history, one.rows.validationRows),
  );
}

/** @throws CommandError where there is not enough to learn from or to be judged by */
function rowsOf(history: History, { split, recipe }: TrainingJob): SplitRows {
  const rows = splitRows(history, split);
  const from = learnFromDay(split);
  checkTrainRows(history, rows.train, from, split.trainStartDay + split.trainDays - from);
  checkJudgingRows(history, rows.test, 'test', testStartDayOf(split), split.testDays);
  const { numeric, categories } = factsOf(recipe.inputs);
  checkFacts(history, numeric, categories, rows.train);
  return rows;
}

/** Places of some rows among the rows of the table; both ascend. */
function placesAmong(rows: Int32Array, all: Int32Array): Int32Array {
  let place = 0;
  return rows.map((row) => {
    while (all[place] !== row) place++;
    return place;
  });
}

async function trainedOn(
  table: TrainingTable,
  train: Int32Array,
  windows: readonly ValidationWindow[],
  job: TrainingJob,
): Promise<Trained | undefined> {
  const { recipe, seed, backend, signal } = job;
  const trainer = createTrainer(backend, signal);
  try {
    return await trainModel(
      {
        table,
        rows: Int32Array.from(train, (_, place) => place),
        windows: windows.map(({ trialRows, validationRows }) => ({
          trialRows: placesAmong(trialRows, train),
          validationRows: placesAmong(validationRows, train),
        })),
        candidates: candidatesOf(recipe),
        ensembleMax: recipe.ensemble,
        seed,
      },
      trainer,
      job.onEpoch,
    );
  } finally {
    await trainer.close();
  }
}

/** The rows learned from as the payments are: where the genuine ones are a sample, the same share of the frauds. */
function typicalRows(history: History, rows: Int32Array): Int32Array {
  const { genuineShare, frauds } = history;
  if (genuineShare === 1) return rows;
  const random = uniform(1);
  return rows.filter((row) => frauds[row] === 0 || random() < genuineShare);
}

function splitOf(history: History, rows: SplitRows, split: Split): TrainedCard['split'] {
  const learnFrom = learnFromDay(split);
  return {
    trainStart: dayText(split.trainStartDay),
    trainDays: split.trainDays,
    delayDays: split.delayDays,
    testStart: dayText(testStartDayOf(split)),
    testDays: split.testDays,
    learnFrom: dayText(learnFrom),
    learnDays: split.trainStartDay + split.trainDays - learnFrom,
    trainRows: rows.train.length,
    trainFrauds: fraudsIn(history, rows.train),
    genuineShare: history.genuineShare,
    testRows: rows.test.length,
    testFrauds: fraudsIn(history, rows.test),
  };
}

/** @returns undefined when the signal stopped it before there was anything to keep. @throws CommandError where the data do not allow it. */
export async function runTraining(job: TrainingJob): Promise<TrainingResult | undefined> {
  const { recipe, split, seed, signal } = job;
  const { numeric: facts, categories } = factsOf(recipe.inputs);
  const data = await loadData({
    source: job.source,
    features: job.features,
    facts,
    categories,
    ...trainingDays(split),
    signal,
    onProgress: job.onPayments,
  });
  if (data === undefined) return undefined;
  const { history, program } = data;
  const rows = rowsOf(history, job);
  const windows = windowsOf(history, job);
  const epochs: ProcedureProgress[] = [];
  const made = trainingInputs(recipe, history, rows.train, job.releaseTexts);
  const { inputs } = made;
  const windowRows = windows.map((window) => window.rows);
  const trained = await trainedOn(tableOf(history, rows.train, made), rows.train, windowRows, {
    ...job,
    onEpoch: (progress) => {
      epochs.push(progress);
      job.onEpoch(progress);
    },
  });
  if (trained === undefined) return undefined;

  const draft = await assemble(trained.scale, trained.parameters, { id: recipe.id, inputs });
  const payments = scoredPayments(history, rows.test, await scoreRows(draft, facts, history, rows.test));
  if (payments.some(({ score }) => !Number.isFinite(score)))
    throw failed('The training diverged: scores are not numbers. Lower the learning rate in the recipe.');
  const days = windows.map((window) => window.days);
  const [firstWindow] = days as [ValidationDays];
  const typical = typicalRows(history, rows.train);
  const card: TrainedCard = {
    id: recipe.id,
    about: recipe.about ?? '',
    inputs,
    codeVersion: codeVersion(),
    data: {
      file: basename(job.file),
      sha256: await fileSha256(job.file),
      payments: history.paymentsFed,
      refused: job.source.refusedCount,
    },
    features: {
      sha256: createHash('sha256').update(JSON.stringify(job.features)).digest('hex'),
      stateFingerprint: program.stateFingerprint,
    },
    split: splitOf(history, rows, split),
    training: {
      ...trained.settings,
      library: trainingLibrary(job.backend),
      seed,
      networks: trained.members,
      epoch: trained.epoch,
      meanLoss: trained.meanLoss,
      interrupted: trained.interrupted,
    },
    validation: {
      from: dayText(firstWindow.validationFrom),
      days: days.reduce((sum, { validationDays }) => sum + validationDays, 0),
      windows: days.map(({ validationFrom }) => dayText(validationFrom)),
      gapDays: firstWindow.gapDays,
      singleAp: trained.validation.single,
      ensembleAp: trained.validation.ensemble,
      trials: trained.trials,
      calibration: trained.calibration,
    },
    metrics: evaluationOf(payments),
    weightsSha256: weightsHash(draft),
    version: modelVersion(draft),
    limits: recipe.limits ?? defaultLimits,
    reference: referenceOf(referenceColumns(history, typical, inputs), await scoreRows(draft, facts, history, typical)),
  };
  const background = backgroundRows(history, typical, inputs);
  return { artefact: { ...draft, card, background }, card, plots: cardPlots(card, payments, epochs) };
}
