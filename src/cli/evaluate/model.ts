/** A model on any labelled file, by the same protocol as in training: delayed labels, known cards left out, served kernel. */
import { failed } from '../../config/exit.ts';
import { readModelDirectory } from '../../models/directory.ts';
import { ModelError } from '../../models/errors.ts';
import { checkInputs } from '../../models/inputs.ts';
import { type Evaluation, evaluationOf } from '../../models/training/evaluation.ts';
import { type Split, splitRows, testStartDayOf } from '../../models/training/protocol.ts';
import { modelVersion } from '../../models/version.ts';
import type { PaymentSource } from '../history/payments.ts';
import type { FactIs } from '../options.ts';
import { checkJudgingRows, dayText, fraudsIn, judgingDays, loadData } from '../train/data.ts';
import { factsOf } from '../train/recipe.ts';
import { scoredPayments, scoreRows } from '../train/score.ts';

export interface ModelEvaluationJob {
  readonly directory: string;
  readonly source: PaymentSource;
  readonly features: unknown;
  readonly split: Split;
  /** Only payments of which these numeric facts have these values are judged. */
  readonly where: readonly FactIs[];
  readonly signal: AbortSignal;
  readonly onPayments: (paymentsFed: number) => void;
}

export interface ModelEvaluation {
  readonly model: { readonly id: string; readonly version: string };
  readonly testStart: string;
  readonly testDays: number;
  readonly delayDays: number;
  readonly testRows: number;
  readonly testFrauds: number;
  readonly refused: number;
  readonly auc: number;
  readonly ap: number;
  readonly cp100: number;
  readonly evaluation: Evaluation;
}

/** @throws CommandError (exit code 1) where the model cannot be read, does not fit the features, or the file has no test days */
export async function evaluateModel(job: ModelEvaluationJob): Promise<ModelEvaluation> {
  const { split, source, signal, where } = job;
  try {
    const artefact = await readModelDirectory(job.directory);
    const inputs = checkInputs(artefact.card);
    const { numeric: facts, categories } = factsOf(inputs);
    const data = await loadData({
      source,
      features: job.features,
      // What rows are chosen by stands behind the inputs, where scoring does not look.
      facts: [...facts, ...where.map(({ fact }) => fact)],
      categories,
      ...judgingDays(split),
      signal,
      onProgress: job.onPayments,
    });
    if (data === undefined) throw failed('Stopped before the end: there is no result.');
    const { history } = data;
    const isJudged = (row: number): boolean =>
      where.every(({ value }, i) => history.facts.value(row, facts.length + i) === value);
    const rows = splitRows(history, split).test.filter(isJudged);
    const testStartDay = testStartDayOf(split);
    checkJudgingRows(history, rows, 'test', testStartDay, split.testDays);
    const evaluation = evaluationOf(scoredPayments(history, rows, await scoreRows(artefact, facts, history, rows)));
    return {
      model: { id: artefact.card.id, version: modelVersion(artefact) },
      testStart: dayText(testStartDay),
      testDays: split.testDays,
      delayDays: split.delayDays,
      testRows: rows.length,
      testFrauds: fraudsIn(history, rows),
      refused: source.refusedCount,
      auc: evaluation.auc,
      ap: evaluation.averagePrecision,
      cp100: evaluation.cardPrecisionAt100,
      evaluation,
    };
  } catch (error) {
    if (error instanceof ModelError) throw failed(`The model in ${job.directory} cannot be used: ${error.message}`);
    throw error;
  }
}
