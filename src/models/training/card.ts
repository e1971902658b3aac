/** What a trained model says of itself: data for machines, and the same as a page. */
import type { RankingMetrics } from '../metrics.ts';
import { numericInputs } from '../inputs.ts';
import type { ModelCard, ModelInput } from '../types.ts';
import type { FitOptions } from './fit.ts';

export interface TrainedCard extends ModelCard {
  readonly about: string;
  readonly data: {
    readonly file: string;
    /** Of the file's bytes, as they are. */
    readonly sha256: string;
    /** Payments that went through the features, those before the train days included. */
    readonly payments: number;
    readonly refused: number;
  };
  readonly features: { readonly sha256: string; readonly stateFingerprint: string };
  readonly split: {
    /** Days as YYYY-MM-DD, UTC. */
    readonly trainStart: string;
    readonly trainDays: number;
    readonly delayDays: number;
    readonly testStart: string;
    readonly testDays: number;
    readonly trainRows: number;
    readonly trainFrauds: number;
    readonly testRows: number;
    readonly testFrauds: number;
  };
  readonly training: FitOptions & { readonly library: string; readonly meanLoss: number };
  /** On the test days, by the compiled kernel. */
  readonly metrics: RankingMetrics;
  readonly weightsSha256: string;
  readonly version: string;
  readonly limits: readonly string[];
}

const decimals = (value: number, digits = 4) => value.toFixed(digits);

function inputLine({ fact, transform, missing }: ModelInput): string {
  return `| \`${fact}\` | ${transform === 'none' ? 'as it is' : 'sign(x) · log(1 + \\|x\\|)'} | ${missing} |`;
}

/** The card as Markdown; a function of the card alone. */
export function cardMarkdown(card: TrainedCard): string {
  const { data, features, metrics, split, training } = card;
  return [
    `# Model card: ${card.id}`,
    '',
    card.about,
    '',
    `- Version (topology, weights, inputs): \`${card.version}\``,
    `- Weights: \`${card.weightsSha256}\``,
    `- Data: \`${data.file}\`, SHA-256 \`${data.sha256}\`; ${data.payments} payments through the features, ${data.refused} refused`,
    `- Feature definitions: SHA-256 \`${features.sha256}\`, state ${features.stateFingerprint}`,
    `- Train: ${split.trainDays} days from ${split.trainStart}, ${split.trainRows} payments, ${split.trainFrauds} frauds`,
    `- Labels are known after ${split.delayDays} days`,
    `- Test: ${split.testDays} days from ${split.testStart}, ${split.testRows} payments, ${split.testFrauds} frauds; cards known to be compromised left out`,
    `- Network: ${[card.inputs.length, ...training.hidden, 1].join('-')}, ReLU inside, sigmoid outside, inputs standardised in the graph`,
    `- Training: ${training.library}; ${training.epochs} epochs, batches of ${training.batchRows}, learning rate ${training.learningRate}, weight decay ${training.weightDecay}, weights averaged over the last ${training.averagedPart} of the steps, seed ${training.seed}; mean loss ${decimals(training.meanLoss, 5)} in the last epoch`,
    '',
    '| measure on the test days | |',
    '|---|---|',
    `| ROC AUC | ${decimals(metrics.auc)} |`,
    `| average precision | ${decimals(metrics.averagePrecision)} |`,
    `| card precision at 100 | ${decimals(metrics.cardPrecisionAt100)} |`,
    `| Brier score | ${decimals(metrics.brier, 6)} |`,
    '',
    '| input | transform | where missing |',
    '|---|---|---|',
    ...numericInputs(card.inputs).map(inputLine),
    '',
    '## Limits',
    '',
    ...card.limits.map((limit) => `- ${limit}`),
    '',
  ].join('\n');
}
