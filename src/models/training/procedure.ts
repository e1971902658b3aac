/**
 * How a model comes about inside its training period: settings are tried and judged by the period's last days, whose labels
 * are as late as in life; the best is trained again on the whole period, with several seeds where their mean validates better.
 */
import { averagePrecisionOf } from '../metrics.ts';
import { foldEnsemble } from './ensemble.ts';
import type { EpochReport, FitOptions, Fitted, FitTask } from './fit.ts';
import type { Parameter } from './optimiser.ts';
import { type Calibration, calibrate, uncalibrated } from './platt.ts';
import type { Standardisation, TrainingTable } from './table.ts';

/** The settings of a network, without the seed. */
export type Settings = Omit<FitOptions, 'seed' | 'stopAfterEpoch'>;

/** Fits one network, wherever that is done. Undefined: stopped before the first epoch was over. */
export interface Trainer {
  fit(task: FitTask, onEpoch: (report: EpochReport) => void): Promise<Fitted | undefined>;
}

export interface Trial {
  readonly settings: Settings;
  readonly epoch: number;
  readonly validationAp: number;
}

export interface ProcedureTask {
  readonly table: TrainingTable;
  /** The whole training period. */
  readonly rows: Int32Array;
  /** The part of it that the trials learn from, and the later part that judges them. */
  readonly trialRows: Int32Array;
  readonly validationRows: Int32Array;
  /** Tried in this order; where there is one it is not a choice, but its epochs and calibration are still validated. */
  readonly candidates: readonly Settings[];
  /** Networks averaged, at most. */
  readonly ensembleMax: number;
  readonly seed: number;
}

export interface ProcedureProgress extends EpochReport {
  readonly phase: 'validation' | 'training';
  readonly network: number;
  readonly networks: number;
  readonly epochs: number;
}

export interface Trained {
  readonly parameters: readonly Parameter[];
  readonly scale: Standardisation;
  readonly settings: Settings;
  readonly members: number;
  readonly epoch: number;
  readonly meanLoss: number;
  readonly trials: readonly Trial[];
  /** Average precision on the validation rows of one network, and of the mean of all. */
  readonly validation: { readonly single: number; readonly ensemble: number };
  readonly calibration: Calibration;
  /** Stopped before the end: the best that there was. */
  readonly interrupted: boolean;
}

/** What the mean of several networks must gain, since each of them costs as much at every payment. */
const ensembleGainMin = 0.001;
/** Seeds of one ensemble are this far apart from those of the next seed. */
const seedStride = 1000;

const meanOf = (columns: readonly Float64Array[]): Float64Array =>
  Float64Array.from(columns[0] ?? [], (_, row) => columns.reduce((sum, c) => sum + (c[row] ?? 0), 0) / columns.length);

const memberSeed = (seed: number, member: number): number => (seed * seedStride + member) >>> 0;

interface Validated {
  readonly settings: Settings;
  readonly fits: readonly Fitted[];
  readonly trials: readonly Trial[];
  readonly single: number;
  readonly ensemble: number;
  readonly members: number;
  readonly calibration: Calibration;
}

function judged(task: ProcedureTask, settings: Settings, fits: readonly Fitted[], trials: readonly Trial[]): Validated {
  const frauds = Uint8Array.from(task.validationRows, (row) => task.table.labels[row] ?? 0);
  const single = fits[0]?.validationAp ?? Number.NaN;
  const mean = meanOf(fits.map(({ validationLogits }) => validationLogits));
  const ensemble = averagePrecisionOf(mean, frauds);
  const wins = fits.length > 1 && ensemble >= single + ensembleGainMin;
  const logits = wins ? mean : (fits[0]?.validationLogits ?? mean);
  const members = wins ? fits.length : 1;
  return { settings, fits, trials, single, ensemble, members, calibration: calibrate(logits, frauds) };
}

type OnProgress = (progress: ProcedureProgress) => void;

async function validated(
  task: ProcedureTask,
  trainer: Trainer,
  onProgress: OnProgress,
): Promise<Validated | undefined> {
  const { table, trialRows, validationRows, candidates, ensembleMax, seed } = task;
  const networks = candidates.length + ensembleMax - 1;
  const fitOne = (settings: Settings, member: number, network: number) =>
    trainer.fit(
      { table, rows: trialRows, validationRows, options: { ...settings, seed: memberSeed(seed, member) } },
      (report) => onProgress({ ...report, phase: 'validation', network, networks, epochs: settings.epochs }),
    );
  const tried = await Promise.all(candidates.map((settings, at) => fitOne(settings, 0, at + 1)));
  const trials: Trial[] = [];
  let best: { settings: Settings; fitted: Fitted } | undefined;
  tried.forEach((fitted, at) => {
    const settings = candidates[at];
    if (fitted === undefined || settings === undefined) return;
    const validationAp = fitted.validationAp ?? Number.NaN;
    trials.push({ settings, epoch: fitted.epoch, validationAp });
    if (best === undefined || validationAp > (best.fitted.validationAp ?? 0)) best = { settings, fitted };
  });
  if (best === undefined) return undefined;
  const { settings, fitted } = best;
  const others = await Promise.all(
    Array.from({ length: ensembleMax - 1 }, (_, at) => fitOne(settings, at + 1, candidates.length + at + 1)),
  );
  const fits = [fitted, ...others.filter((other) => other !== undefined)];
  return judged(task, settings, fits, trials);
}

/** Networks of the settings on all rows, for as many epochs as validated best. Undefined: stopped before one was ready. */
export async function fitMembers(
  task: Pick<ProcedureTask, 'table' | 'rows' | 'seed'>,
  settings: Settings,
  members: number,
  stopAfterEpoch: number,
  trainer: Trainer,
  onProgress: OnProgress,
): Promise<readonly Fitted[]> {
  const fits = await Promise.all(
    Array.from({ length: members }, (_, member) =>
      trainer.fit(
        {
          table: task.table,
          rows: task.rows,
          validationRows: new Int32Array(0),
          options: { ...settings, stopAfterEpoch, seed: memberSeed(task.seed, member) },
        },
        (report) =>
          onProgress({ ...report, phase: 'training', network: member + 1, networks: members, epochs: stopAfterEpoch }),
      ),
    ),
  );
  return fits.filter((fitted) => fitted !== undefined);
}

/**
 * Deterministic for a task and a deterministic trainer. Where it is stopped, the last phase that has anything to show decides:
 * members trained so far, else the networks that were validated. Undefined where not even one epoch was over.
 */
export async function trainModel(
  task: ProcedureTask,
  trainer: Trainer,
  onProgress: OnProgress,
): Promise<Trained | undefined> {
  const choice = await validated(task, trainer, onProgress);
  if (choice === undefined) return undefined;
  const { settings, trials, single, ensemble, calibration, members } = choice;
  const epochs = Math.max(...choice.fits.slice(0, members).map(({ epoch }) => epoch));
  const final = await fitMembers(task, settings, members, epochs, trainer, onProgress);
  const fits = final.length === 0 ? choice.fits.slice(0, members) : final;
  const first = fits[0] as Fitted;
  return {
    parameters: foldEnsemble(
      fits.map(({ parameters }) => parameters),
      Number.isFinite(calibration.slope) ? calibration : uncalibrated,
    ),
    scale: first.scale,
    settings,
    members: fits.length,
    epoch: first.epoch,
    meanLoss: fits.reduce((sum, { meanLoss }) => sum + meanLoss, 0) / fits.length,
    trials,
    validation: { single, ensemble },
    calibration,
    interrupted:
      final.length < members || final.some(({ stopped }) => stopped) || choice.fits.some(({ stopped }) => stopped),
  };
}
