/** What a trained model says of itself: data for machines, and the same as a page. */
import { isCategory } from '../inputs.ts';
import type { CardInput, ModelCard } from '../types.ts';
import type { Evaluation, Segment } from './evaluation.ts';
import type { Calibration } from './platt.ts';
import type { Settings, Trial } from './procedure.ts';

export interface TrainedCard extends ModelCard {
  readonly about: string;
  /** Commit or version of the code that made it. */
  readonly codeVersion: string;
  readonly data: {
    readonly file: string;
    /** Of the file's bytes, as they are. */
    readonly sha256: string;
    /** Payments that went through the features, those before the train days included. */
    readonly payments: number;
    readonly refused: number;
  };
  readonly features: { readonly sha256: string; readonly stateFingerprint: string };
  /** Days as YYYY-MM-DD, UTC. */
  readonly split: {
    readonly trainStart: string;
    readonly trainDays: number;
    readonly delayDays: number;
    readonly testStart: string;
    readonly testDays: number;
    /** The first day learned from: before `trainStart` where the recipe takes more history. */
    readonly learnFrom: string;
    readonly learnDays: number;
    readonly trainRows: number;
    readonly trainFrauds: number;
    /** Share of the genuine payments that was learned from: below 1 where there were too many; the model corrects for it. Absent in earlier cards. */
    readonly genuineShare?: number;
    readonly testRows: number;
    readonly testFrauds: number;
  };
  readonly training: Settings & {
    readonly library: string;
    readonly seed: number;
    /** Networks whose logits the model averages. */
    readonly networks: number;
    readonly epoch: number;
    readonly meanLoss: number;
    /** Ctrl-C ended it: the best so far. */
    readonly interrupted: boolean;
  };
  /** Inside the training period: how settings, epochs and calibration were chosen. */
  readonly validation: {
    readonly from: string;
    readonly days: number;
    /** The first days of the windows that judged, in time order. Absent in earlier cards: there was one. */
    readonly windows?: readonly string[];
    /** Days between what the trials learned from and these; 0 where the period was too short. */
    readonly gapDays: number;
    readonly singleAp: number;
    readonly ensembleAp: number;
    readonly trials: readonly Trial[];
    readonly calibration: Calibration;
  };
  /** On the test days, by the compiled kernel. */
  readonly metrics: Evaluation;
  readonly weightsSha256: string;
  readonly version: string;
  readonly limits: readonly string[];
}

/** Charts beside the card: file name and what it shows. */
export const plotFiles = {
  'precision-recall.svg': 'Precision and recall on the test days',
  'calibration.svg': 'Calibration on the test days',
  'training.svg': 'Loss and validation by epoch',
} as const;
export type PlotFile = keyof typeof plotFiles;

const decimals = (value: number, digits = 4) => value.toFixed(digits);
const percent = (value: number) => `${decimals(100 * value, 1)} %`;

function inputLine(input: CardInput): string {
  if (isCategory(input)) return `| \`${input.fact}\` | category of ${input.vocabulary.length} | code 0 |`;
  return `| \`${input.fact}\` | ${input.transform === 'none' ? 'as it is' : 'sign(x) · log(1 + \\|x\\|)'} | ${input.missing} |`;
}

const segmentLine = ({ segment, payments, frauds, auc, averagePrecision, meanProbability }: Segment): string =>
  `| ${segment} | ${payments} | ${frauds} | ${auc === undefined ? '' : decimals(auc, 3)} | ${averagePrecision === undefined ? '' : decimals(averagePrecision, 3)} | ${percent(frauds / payments)} | ${percent(meanProbability)} |`;

function provenance({ version, weightsSha256, codeVersion, data, features, split }: TrainedCard): string[] {
  const { genuineShare = 1 } = split;
  return [
    `- Version (topology, weights, inputs): \`${version}\``,
    `- Weights: \`${weightsSha256}\``,
    `- Code: ${codeVersion}`,
    `- Data: \`${data.file}\`, SHA-256 \`${data.sha256}\`; ${data.payments} payments through the features, ${data.refused} refused`,
    `- Feature definitions: SHA-256 \`${features.sha256}\`, state ${features.stateFingerprint}`,
    `- Train days: ${split.trainDays} from ${split.trainStart}; learned from ${split.learnDays} days from ${split.learnFrom} on, ${split.trainRows} payments, ${split.trainFrauds} frauds${genuineShare < 1 ? `; of the genuine payments a sample of ${percent(genuineShare)}, which the last layer corrects for` : ''}`,
    `- Labels are known after ${split.delayDays} days, in the features as in the split`,
    `- Test: ${split.testDays} days from ${split.testStart}, ${split.testRows} payments, ${split.testFrauds} frauds; cards known to be compromised left out`,
  ];
}

const windowsText = ({ windows = [] }: TrainedCard['validation']): string =>
  windows.length <= 1 ? '' : `${windows.length} successive windows, each `;

function settingsLines({ inputs, training, validation }: TrainedCard): string[] {
  const { networks } = training;
  return [
    `- Network: ${[inputs.length, ...training.hidden, 1].join('-')}, ReLU inside, sigmoid outside, inputs standardised in the graph${networks > 1 ? `; ${networks} of them side by side, their logits averaged` : ''}`,
    `- Training: ${training.library}; AdamW, log loss, ${training.epoch} of ${training.epochs} epochs, batches of ${training.batchRows}, learning rate ${training.learningRate} falling by a cosine, weight decay ${training.weightDecay}, dropout ${training.dropout}, seed ${training.seed}; mean loss ${decimals(training.meanLoss, 5)}${training.interrupted ? '; **interrupted: the best so far**' : ''}`,
    '- Class imbalance: no row is weighted or left out; the output starts at the logit of the fraud rate, so that probabilities stay probabilities',
    `- Chosen by ${validation.days} days from ${validation.from} on (inside the training period, ${windowsText(validation)}${validation.gapDays} days after what the trials learned from): average precision ${decimals(validation.singleAp)} for one network, ${decimals(validation.ensembleAp)} for the mean of several; ${validation.trials.length} settings tried`,
    `- Calibration (Platt, part of the last layer): ${decimals(validation.calibration.slope)} · logit ${validation.calibration.offset < 0 ? '−' : '+'} ${decimals(Math.abs(validation.calibration.offset))}`,
  ];
}

function measures({ metrics }: TrainedCard): string[] {
  return [
    '| measure on the test days | |',
    '|---|---|',
    `| ROC AUC | ${decimals(metrics.auc)} |`,
    `| average precision | ${decimals(metrics.averagePrecision)} |`,
    `| card precision at 100 | ${decimals(metrics.cardPrecisionAt100)} |`,
    `| Brier score | ${decimals(metrics.brier, 6)} |`,
    `| expected calibration error | ${decimals(metrics.calibration.expectedError, 5)} |`,
    '',
    '| payments alerted | alerts | precision | recall | value recall |',
    '|---|---|---|---|---|',
    ...metrics.alertRates.map(
      (at) =>
        `| ${percent(at.rate)} | ${at.alerts} | ${percent(at.precision)} | ${percent(at.recall)} | ${percent(at.valueRecall)} |`,
    ),
    '',
    '| probability | payments | mean probability | fraud rate |',
    '|---|---|---|---|',
    ...metrics.calibration.bins.map(
      (bin) =>
        `| ${bin.from} – ${bin.to} | ${bin.payments} | ${decimals(bin.meanProbability)} | ${decimals(bin.fraudRate)} |`,
    ),
    '',
    '| segment | payments | frauds | ROC AUC | average precision | fraud rate | mean probability |',
    '|---|---|---|---|---|---|---|',
    ...metrics.segments.map(segmentLine),
  ];
}

/** The card as Markdown; a function of the card alone. */
export function cardMarkdown(card: TrainedCard): string {
  return [
    `# Model card: ${card.id}`,
    '',
    card.about,
    '',
    ...provenance(card),
    ...settingsLines(card),
    '',
    ...measures(card),
    '',
    ...Object.entries(plotFiles).map(([file, what]) => `![${what}](${file})`),
    '',
    '| input | transform | where missing |',
    '|---|---|---|',
    ...card.inputs.map(inputLine),
    '',
    '## Limits',
    '',
    ...card.limits.map((limit) => `- ${limit}`),
    '',
  ].join('\n');
}
