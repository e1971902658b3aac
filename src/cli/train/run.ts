/** One training from file to artefact: features, validation, fit, and the evaluation by the compiled kernel that will serve it. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { failed } from '../../config/exit.ts';
import { referenceOf } from '../../models/monitoring/reference.ts';
import { assemble } from '../../models/training/assemble.ts';
import { type TrainingBackend, trainingLibrary } from '../../models/training/backend.ts';
import type { PlotFile, TrainedCard } from '../../models/training/card.ts';
import { evaluationOf } from '../../models/training/evaluation.ts';
import { type ProcedureProgress, type Trained, trainModel } from '../../models/training/procedure.ts';
import {
  type Split,
  splitRows,
  testStartDayOf,
  validationDaysOf,
  validationRows,
} from '../../models/training/protocol.ts';
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
  type Data,
  dayText,
  fileSha256,
  fraudsIn,
  loadData,
  splitDays,
} from './data.ts';
import { type ReleaseTexts, referenceColumns, tableOf, trainingInputs } from './inputs.ts';
import { cardPlots } from './plots.ts';
import { candidatesOf, factsOf, type Recipe } from './recipe.ts';
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

interface Rows {
  readonly train: Int32Array;
  readonly test: Int32Array;
  readonly trial: Int32Array;
  readonly validation: Int32Array;
}

/** @throws CommandError where there is not enough to learn from or to be judged by */
function rowsOf({ history }: Data, { split, recipe }: TrainingJob): Rows {
  const rows = { ...splitRows(history, split), ...validationRows(history, split) };
  const inner = validationDaysOf(split);
  checkTrainRows(history, rows.train, inner.trialFrom, inner.validationFrom + inner.validationDays - inner.trialFrom);
  checkJudgingRows(history, rows.test, 'test', testStartDayOf(split), split.testDays);
  checkJudgingRows(history, rows.trial, 'first train', inner.trialFrom, inner.trialDays);
  checkJudgingRows(history, rows.validation, 'last train', inner.validationFrom, inner.validationDays);
  const { numeric, categories } = factsOf(recipe.inputs);
  checkFacts(history, numeric, categories, rows.train);
  return rows;
}

/** Places of some rows among the rows of the table. */
function placesAmong(rows: Int32Array, all: Int32Array): Int32Array {
  const placeOf = new Map(Array.from(all, (row, place) => [row, place]));
  return rows.map((row) => placeOf.get(row) ?? -1);
}

async function trainedOn(table: TrainingTable, rows: Rows, job: TrainingJob): Promise<Trained | undefined> {
  const { recipe, seed, backend, signal } = job;
  const trainer = createTrainer(backend, signal);
  try {
    return await trainModel(
      {
        table,
        rows: Int32Array.from(rows.train, (_, place) => place),
        trialRows: placesAmong(rows.trial, rows.train),
        validationRows: placesAmong(rows.validation, rows.train),
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

function splitOf(history: History, rows: Rows, split: Split): TrainedCard['split'] {
  const { trialFrom } = validationDaysOf(split);
  return {
    trainStart: dayText(split.trainStartDay),
    trainDays: split.trainDays,
    delayDays: split.delayDays,
    testStart: dayText(testStartDayOf(split)),
    testDays: split.testDays,
    learnFrom: dayText(trialFrom),
    learnDays: split.trainStartDay + split.trainDays - trialFrom,
    trainRows: rows.train.length,
    trainFrauds: fraudsIn(history, rows.train),
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
    ...splitDays(split),
    signal,
    onProgress: job.onPayments,
  });
  if (data === undefined) return undefined;
  const { history, program } = data;
  const rows = rowsOf(data, job);
  const epochs: ProcedureProgress[] = [];
  const made = trainingInputs(recipe, history, rows.train, job.releaseTexts);
  const { inputs } = made;
  const trained = await trainedOn(tableOf(history, rows.train, made), rows, {
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
  const inner = validationDaysOf(split);
  const trainScores = await scoreRows(draft, facts, history, rows.train);
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
      from: dayText(inner.validationFrom),
      days: inner.validationDays,
      gapDays: inner.gapDays,
      singleAp: trained.validation.single,
      ensembleAp: trained.validation.ensemble,
      trials: trained.trials,
      calibration: trained.calibration,
    },
    metrics: evaluationOf(payments),
    weightsSha256: weightsHash(draft),
    version: modelVersion(draft),
    limits: recipe.limits ?? defaultLimits,
    reference: referenceOf(referenceColumns(history, rows.train, inputs), trainScores),
  };
  const background = backgroundRows(history, rows.train, inputs);
  return { artefact: { ...draft, card, background }, card, plots: cardPlots(card, payments, epochs) };
}
