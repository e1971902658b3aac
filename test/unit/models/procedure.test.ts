// Guarantee: the settings are chosen by their mean over all validation windows, never by rows outside of the training period; an ensemble
// is taken where it gains; the calibration is fitted on all windows; a sample of the genuine payments is corrected for; whoever stops the
// procedure gets the best there is.
import { expect, test } from 'vitest';
import type { Fitted, FitTask } from '../../../src/models/training/fit.ts';
import {
  type ProcedureTask,
  type Settings,
  type Trained,
  type Trainer,
  trainModel,
} from '../../../src/models/training/procedure.ts';
import type { TrainingTable } from '../../../src/models/training/table.ts';

const rows = 40;
const table: TrainingTable = {
  width: 1,
  rows,
  values: new Float32Array(rows),
  labels: Uint8Array.from({ length: rows }, (_, row) => (row % 4 === 0 ? 1 : 0)),
};
const settings: Settings = {
  hidden: [],
  epochs: 9,
  batchRows: 8,
  learningRate: 0.1,
  weightDecay: 0,
  dropout: 0,
  patienceEpochs: 3,
};
const slow: Settings = { ...settings, learningRate: 0.01 };
const range = (from: number, end: number): Int32Array => Int32Array.from({ length: end - from }, (_, i) => from + i);
const windows = [
  { trialRows: range(0, 16), validationRows: range(16, 24) },
  { trialRows: range(0, 24), validationRows: range(24, 32) },
];
const task: ProcedureTask = {
  table,
  rows: range(0, 32),
  windows,
  candidates: [settings, slow],
  ensembleMax: 1,
  seed: 1,
};

interface Script {
  readonly ap: (task: FitTask) => number;
  readonly epoch?: (task: FitTask) => number;
  readonly logit?: (row: number, task: FitTask) => number;
  /** What is not answered is stopped. */
  readonly answers?: (task: FitTask) => boolean;
}

function scripted({ ap, epoch = () => 5, logit = (row) => (row % 4 === 0 ? 1 : -1), answers = () => true }: Script) {
  const seen: FitTask[] = [];
  const trainer: Trainer = {
    fit(fitTask) {
      seen.push(fitTask);
      if (!answers(fitTask)) return Promise.resolve(undefined);
      const at = fitTask.validationRows.length === 0 ? (fitTask.options.stopAfterEpoch ?? 0) : epoch(fitTask);
      const fitted: Fitted = {
        parameters: [
          { name: 'dense1/kernel', shape: [1, 1], values: Float32Array.of(2), decays: true },
          { name: 'dense1/bias', shape: [1], values: Float32Array.of(1), decays: false },
        ],
        scale: { mean: Float32Array.of(0), variance: Float32Array.of(1) },
        epoch: at,
        epochsRun: at,
        meanLoss: 0.5,
        validationAp: fitTask.validationRows.length === 0 ? undefined : ap(fitTask),
        validationLogits: Float64Array.from(fitTask.validationRows, (row) => logit(row, fitTask)),
        stopped: false,
      };
      return Promise.resolve(fitted);
    },
  };
  return { trainer, seen };
}

const windowOf = ({ validationRows }: FitTask): number => (validationRows[0] === 16 ? 0 : 1);
const isSlow = ({ options }: FitTask): boolean => options.learningRate === slow.learningRate;
const run = async (change: Partial<ProcedureTask>, trainer: Trainer): Promise<Trained> => {
  const trained = await trainModel({ ...task, ...change }, trainer, () => undefined);
  if (trained === undefined) throw new Error('nothing was trained');
  return trained;
};

test('the mean over the windows decides, not the last one; its epochs are their mean', async () => {
  const { trainer, seen } = scripted({
    ap: (fit) => (isSlow(fit) ? [0.9, 0.5][windowOf(fit)] : [0.3, 0.6][windowOf(fit)]) ?? 0,
    epoch: (fit) => (windowOf(fit) === 0 ? 4 : 7),
  });
  const trained = await run({}, trainer);
  expect(trained.settings).toEqual(slow);
  expect(trained.trials.map(({ windowAps }) => windowAps)).toEqual([
    [0.3, 0.6],
    [0.9, 0.5],
  ]);
  expect(trained.validation.single).toBeCloseTo(0.7, 12);
  expect(trained.epoch).toBe(6);
  expect(seen.filter(({ validationRows }) => validationRows.length === 0).map((fit) => fit.rows)).toEqual([task.rows]);
  for (const { rows: learned, validationRows } of seen)
    if (validationRows.length > 0) expect(Math.max(...learned)).toBeLessThan(Math.min(...validationRows));
});

test('several networks are taken where their mean ranks better in the windows, and are calibrated on all of them', async () => {
  const noise = (row: number, { options }: FitTask): number => (options.seed % 2 === 0 ? 1 : -1) * (row % 3) * 3;
  const { trainer } = scripted({ ap: () => 0.4, logit: (row, fit) => (row % 4 === 0 ? 2 : 0) + noise(row, fit) });
  const trained = await run({ candidates: [settings], ensembleMax: 2 }, trainer);
  expect(trained.members).toBe(2);
  expect(trained.validation).toEqual({ single: 0.4, ensemble: 1 });
  expect(trained.calibration.slope).toBeGreaterThan(1);
  const alone = await run({ candidates: [settings], ensembleMax: 2 }, scripted({ ap: () => 1 }).trainer);
  expect(alone.members).toBe(1);
});

test('a sample of the genuine payments takes the logarithm of its share off every logit', async () => {
  const { trainer } = scripted({ ap: () => 0.5 });
  const [whole, sampled] = [await run({}, trainer), await run({ table: { ...table, genuineShare: 0.25 } }, trainer)];
  expect(sampled.calibration.slope).toBe(whole.calibration.slope);
  expect(sampled.calibration.offset).toBeCloseTo(whole.calibration.offset + Math.log(0.25), 12);
  const bias = ({ parameters }: Trained): number => parameters.at(-1)?.values[0] ?? Number.NaN;
  expect(bias(sampled)).toBeCloseTo(bias(whole) + Math.log(0.25), 5);
});

test('stopped: trained networks, else the validated ones of the last window that has some, else nothing', async () => {
  const noFinal = scripted({ ap: () => 0.5, answers: ({ validationRows }) => validationRows.length > 0 });
  expect(await run({}, noFinal.trainer)).toMatchObject({ interrupted: true, members: 1, settings });
  const oneWindow = scripted({ ap: () => 0.5, answers: (fit) => fit.validationRows[0] === 16 && isSlow(fit) });
  const trained = await run({ ensembleMax: 2 }, oneWindow.trainer);
  expect(trained).toMatchObject({ interrupted: true, settings: slow, trials: [{ windowAps: [0.5] }] });
  const none = scripted({ ap: () => 0.5, answers: () => false });
  expect(await trainModel(task, none.trainer, () => undefined)).toBeUndefined();
  expect(await run({}, scripted({ ap: () => 0.5 }).trainer)).toMatchObject({ interrupted: false });
});
