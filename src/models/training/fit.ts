/**
 * Trains one multilayer perceptron with TF.js. Seeded from end to end, and on the WebAssembly backend plain SIMD gives the same
 * bits on every machine: the same table, options and seed give the same weights. Runs in a worker (workers/training.ts).
 */
import { log } from '../arithmetic.ts';
import { averagePrecisionOf } from '../metrics.ts';
import { dropoutMasks } from './dropout.ts';
import {
  embeddedWidth,
  embeddingGradients,
  gatherEmbedded,
  settleUnseen,
  splitParameters,
  startEmbeddings,
} from './embeddings.ts';
import { logitsOfBatch, lossAndGradients } from './gradients.ts';
import { createAdam, type Parameter } from './optimiser.ts';
import { shuffle, uniform } from './random.ts';
import { type Standardisation, standardisation, type TrainingTable } from './table.ts';

export interface FitOptions {
  readonly hidden: readonly number[];
  readonly epochs: number;
  readonly batchRows: number;
  /** At the start; falls to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts). */
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Share of each hidden layer's units left out at a step (Srivastava et al. 2014). */
  readonly dropout: number;
  /** Training stops after so many epochs without a better validation. Without validation rows it runs to its end. */
  readonly patienceEpochs: number;
  /** Where the training ends before its schedule does: the schedule stays that of `epochs`. */
  readonly stopAfterEpoch?: number;
  readonly seed: number;
}

export interface FitTask {
  readonly table: TrainingTable;
  /** Row numbers to learn from; both classes must be among them. */
  readonly rows: Int32Array;
  /** Rows that the epochs are judged by; none: the last epoch is kept. */
  readonly validationRows: Int32Array;
  readonly options: FitOptions;
}

export interface EpochReport {
  readonly epoch: number;
  readonly meanLoss: number;
  /** Average precision on the validation rows; undefined without any. */
  readonly validationAp: number | undefined;
}

export interface FitHooks {
  readonly stopped: () => boolean;
  readonly onEpoch: (report: EpochReport) => void;
}

export interface Fitted {
  readonly parameters: readonly Parameter[];
  readonly scale: Standardisation;
  /** The epoch whose weights these are, from 1. */
  readonly epoch: number;
  /** Epochs that were run. */
  readonly epochsRun: number;
  readonly meanLoss: number;
  readonly validationAp: number | undefined;
  /** Of the validation rows, in their order. */
  readonly validationLogits: Float64Array;
  /** Told to stop before its end. */
  readonly stopped: boolean;
}

/** Rows in one forward pass of the validation. */
const validationBatchRows = 8192;

/** He's uniform start; the last bias is the logit of the fraud rate, so that training starts calibrated on rare frauds. */
export function startParameters(
  width: number,
  hidden: readonly number[],
  fraudRate: number,
  seed: number,
): Parameter[] {
  const random = uniform(seed);
  return [...hidden, 1].flatMap((units, index, all) => {
    const inputs = all[index - 1] ?? width;
    const output = index === hidden.length;
    const spread = Math.sqrt((output ? 3 : 6) / inputs);
    const kernel = Float32Array.from({ length: inputs * units }, () => (random() * 2 - 1) * spread);
    const bias = new Float32Array(units).fill(output ? log(fraudRate) - log(1 - fraudRate) : 0);
    return [
      { name: `dense${index + 1}/kernel`, shape: [inputs, units], values: kernel, decays: true },
      { name: `dense${index + 1}/bias`, shape: [units], values: bias, decays: false },
    ];
  });
}

type Gather = (rows: Int32Array, parameters: readonly Parameter[]) => Float32Array;

/** Rows of the table as the first dense layer gets them: standardised as the graph will, then the vectors of their categories. */
function createGather(table: TrainingTable, { mean, variance }: Standardisation, epsilon: number): Gather {
  const { width, values, categories } = table;
  const stride = width + embeddedWidth(categories);
  const scale = Float64Array.from(variance, (v) => 1 / Math.sqrt(v + epsilon));
  return (rows, parameters) => {
    const gathered = new Float32Array(rows.length * stride);
    for (let at = 0; at < rows.length; at++) {
      const from = (rows[at] as number) * width;
      const to = at * stride;
      for (let input = 0; input < width; input++)
        gathered[to + input] = ((values[from + input] as number) - (mean[input] as number)) * (scale[input] as number);
    }
    if (categories) gatherEmbedded(categories, splitParameters(parameters).embeddings, rows, gathered, stride, width);
    return gathered;
  };
}

function logitsOf(rows: Int32Array, gather: Gather, parameters: readonly Parameter[]) {
  const logits = new Float64Array(rows.length);
  const { dense } = splitParameters(parameters);
  for (let first = 0; first < rows.length; first += validationBatchRows) {
    const some = rows.subarray(first, first + validationBatchRows);
    logits.set(logitsOfBatch(gather(some, parameters), some.length, dense), first);
  }
  return logits;
}

/** As they are to be kept: no code is left as it began. */
function keptOf(parameters: readonly Parameter[], { categories }: TrainingTable, rows: Int32Array): Parameter[] {
  const copy = parameters.map((parameter) => ({ ...parameter, values: parameter.values.slice() }));
  if (categories) settleUnseen(categories, splitParameters(copy).embeddings, rows);
  return copy;
}

/** Of the normalisation layer; as TF.js's default, so that the stored layer says it. */
export const scalingEpsilon = 1e-3;

/**
 * Needs a started TF.js backend. Whoever stops it gets the best epoch so far: with validation rows by average precision, without
 * them the last whole epoch; before the first epoch ends, undefined.
 */
export function fit(task: FitTask, { stopped, onEpoch }: FitHooks): Fitted | undefined {
  const { table, rows, validationRows, options } = task;
  const { batchRows, epochs, hidden, seed } = options;
  const scale = standardisation(table, rows);
  const gather = createGather(table, scale, scalingEpsilon);
  const labelOf = (row: number): number => table.labels[row] ?? 0;
  const fraudRate = rows.reduce((sum, row) => sum + labelOf(row), 0) / rows.length;
  const { categories, width } = table;
  const dense = startParameters(width + embeddedWidth(categories), hidden, fraudRate, seed);
  const parameters = [...dense, ...startEmbeddings(categories?.embeddings ?? [], seed)];
  const step = createAdam(parameters, options);
  const random = uniform(seed ^ 0x5bd1e995);
  const masksOf = dropoutMasks(hidden, options.dropout, uniform(seed ^ 0x2545f491));
  const order = rows.slice();
  const steps = epochs * Math.ceil(rows.length / batchRows);
  const validationFrauds = Uint8Array.from(validationRows, labelOf);
  let best: Fitted | undefined;
  let done = 0;
  for (let epoch = 1; epoch <= Math.min(epochs, options.stopAfterEpoch ?? epochs); epoch++) {
    shuffle(order, random);
    let lossSum = 0;
    for (let first = 0; first < order.length; first += batchRows, done++) {
      if (stopped()) return best && { ...best, stopped: true };
      const batch = order.subarray(first, first + batchRows);
      const labels = Float32Array.from(batch, labelOf);
      const { loss, gradients, inputSlopes } = lossAndGradients(
        { inputs: gather(batch, parameters), labels, masks: masksOf(batch.length) },
        dense,
        width,
      );
      lossSum += loss * batch.length;
      const embedded = categories ? embeddingGradients(categories, batch, inputSlopes) : [];
      step([...gradients, ...embedded], (options.learningRate / 2) * (1 + Math.cos((Math.PI * done) / steps)));
    }
    const meanLoss = lossSum / order.length;
    const kept = keptOf(parameters, table, rows);
    const validationLogits = logitsOf(validationRows, gather, kept);
    const validationAp =
      validationRows.length === 0
        ? undefined
        : averagePrecisionOf(validationLogits, validationFrauds, table.genuineShare);
    onEpoch({ epoch, meanLoss, validationAp });
    if (best?.validationAp === undefined || validationAp === undefined || validationAp > best.validationAp) {
      best = {
        parameters: kept,
        scale,
        epoch,
        epochsRun: epoch,
        meanLoss,
        validationAp,
        validationLogits,
        stopped: false,
      };
    } else best = { ...best, epochsRun: epoch };
    if (validationAp !== undefined && epoch - best.epoch >= options.patienceEpochs) break;
  }
  return best;
}
