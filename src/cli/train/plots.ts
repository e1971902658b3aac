/** The charts beside a model's card. */
import type { PlotFile, TrainedCard } from '../../models/training/card.ts';
import { type EvaluatedPayment, precisionRecallCurve } from '../../models/training/evaluation.ts';
import { chartSvg } from '../../models/training/plots.ts';
import type { ProcedureProgress } from '../../models/training/procedure.ts';

const curvePoints = 200;
const share = { min: 0, max: 1 };

/** Epochs of the first trial and of the first network of the training. */
function epochsChart(epochs: readonly ProcedureProgress[]): string {
  const first = epochs.filter(({ network }) => network === 1);
  const trial = first.filter(({ phase }) => phase === 'validation');
  const final = first.filter(({ phase }) => phase === 'training');
  const highestLoss = Math.max(1e-6, ...first.map(({ meanLoss }) => meanLoss));
  const loss = (some: readonly ProcedureProgress[]) =>
    some.map(({ epoch, meanLoss }) => ({ x: epoch, y: meanLoss / highestLoss }));
  return chartSvg({
    title: 'Loss and validation by epoch',
    x: { label: 'epoch', min: 0, max: Math.max(1, ...first.map(({ epoch }) => epoch)) },
    y: { label: `average precision; loss ÷ ${highestLoss.toPrecision(3)}`, ...share },
    lines: [
      {
        label: 'validation: average precision',
        points: trial.map(({ epoch, validationAp }) => ({ x: epoch, y: validationAp ?? 0 })),
      },
      { label: 'trial: loss', points: loss(trial), dashed: true },
      { label: 'training: loss', points: loss(final) },
    ],
  });
}

export function cardPlots(
  card: TrainedCard,
  payments: readonly EvaluatedPayment[],
  epochs: readonly ProcedureProgress[],
): Record<PlotFile, string> {
  return {
    'precision-recall.svg': chartSvg({
      title: 'Precision and recall on the test days',
      x: { label: 'recall', ...share },
      y: { label: 'precision', ...share },
      lines: [
        {
          label: `average precision ${card.metrics.averagePrecision.toFixed(3)}`,
          points: precisionRecallCurve(payments, curvePoints).map(({ recall, precision }) => ({
            x: recall,
            y: precision,
          })),
        },
      ],
    }),
    'calibration.svg': chartSvg({
      title: 'Calibration on the test days',
      x: { label: 'mean probability', ...share },
      y: { label: 'fraud rate', ...share },
      lines: [
        {
          label: `expected error ${card.metrics.calibration.expectedError.toFixed(4)}`,
          points: card.metrics.calibration.bins.map(({ meanProbability, fraudRate }) => ({
            x: meanProbability,
            y: fraudRate,
          })),
        },
        {
          label: 'perfect',
          dashed: true,
          points: [
            { x: 0, y: 0 },
            { x: 1, y: 1 },
          ],
        },
      ],
    }),
    'training.svg': epochsChart(epochs),
  };
}
