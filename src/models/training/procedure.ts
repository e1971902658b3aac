/**
 * How a model comes about inside its training period: settings are tried and judged prequentially, by one or several successive windows
 * at the period's end, each after what its trial learns from, with labels as late as in life; the best is trained again on the whole
 * period, with several seeds where their mean validates better.
 */
import { log } from '../arithmetic.ts';
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
  /** Mean over the windows, rounded. */
  readonly epoch: number;
  /** Mean over the windows. */
  readonly validationAp: number;
  /** Of each window, in time order. */
  readonly windowAps: readonly number[];
}

/** Part of the training period that a trial learns from, and a later part that judges it. */
export interface ValidationWindow {
  readonly trialRows: Int32Array;
  readonly validationRows: Int32Array;
}

export interface ProcedureTask {
  readonly table: TrainingTable;
  /** The whole training period. */
  readonly rows: Int32Array;
  /** Inside of it, in time order; one at least. */
  readonly windows: readonly ValidationWindow[];
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
  /** Average precision on the validation rows of one network, and of the mean of all; mean over the windows. */
  readonly validation: { readonly single: number; readonly ensemble: number };
  readonly calibration: Calibration;
  /** Stopped before the end: the best that there was. */
  readonly interrupted: boolean;
}

/** What the mean of several networks must gain, since each of them costs as much at every payment. */
const ensembleGainMin = 0.001;
/** Seeds of one ensemble are this far apart from those of the next seed. */
const seedStride = 1000;

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const meanColumn = (columns: readonly Float64Array[]): Float64Array =>
  Float64Array.from(columns[0] ?? [], (_, row) => meanOf(columns.map((column) => column[row] ?? 0)));

const memberSeed = (seed: number, member: number): number => (seed * seedStride + member) >>> 0;

/** One network of the settings, as each window made it; undefined where it was stopped before. */
interface Member {
  readonly settings: Settings;
  readonly byWindow: readonly (Fitted | undefined)[];
}

interface Choice {
  readonly settings: Settings;
  /** Networks that were validated, of the latest window that has some: what there is when everything else is stopped. */
  readonly fits: readonly Fitted[];
  readonly trials: readonly Trial[];
  readonly single: number;
  readonly ensemble: number;
  readonly members: number;
  readonly epochs: number;
  readonly calibration: Calibration;
  readonly stopped: boolean;
}

const fittedOf = ({ byWindow }: Member): Fitted[] => byWindow.filter((fitted) => fitted !== undefined);
const epochOf = (member: Member): number => Math.round(meanOf(fittedOf(member).map(({ epoch }) => epoch)));
const apOf = (member: Member): number => meanOf(fittedOf(member).map(({ validationAp }) => validationAp ?? Number.NaN));

/** That of most windows (all are fitted unless it was stopped), then of the highest mean. */
function bestOf(tried: readonly Member[]): Member | undefined {
  let best: Member | undefined;
  for (const member of tried) {
    const [windows, most] = [fittedOf(member).length, best === undefined ? 0 : fittedOf(best).length];
    if (windows > most || (windows > 0 && windows === most && best !== undefined && apOf(member) > apOf(best)))
      best = member;
  }
  return best;
}

/** Judged by the windows that all members have. */
function judged({ table, windows }: ProcedureTask, all: readonly Member[], trials: readonly Trial[]): Choice {
  const [first] = all as [Member];
  const inFirst = windows.flatMap((_, at) => (first.byWindow[at] === undefined ? [] : [at]));
  const whole = all.filter(({ byWindow }) => inFirst.every((at) => byWindow[at] !== undefined));
  const labels = windows.map(({ validationRows }) => Uint8Array.from(validationRows, (row) => table.labels[row] ?? 0));
  const logits = (member: Member, at: number) => member.byWindow[at]?.validationLogits ?? new Float64Array(0);
  const means = inFirst.map((at) => meanColumn(whole.map((member) => logits(member, at))));
  const single = apOf(first);
  const ensemble = meanOf(
    inFirst.map((at, i) => averagePrecisionOf(means[i] ?? [], labels[at] ?? [], table.genuineShare)),
  );
  const wins = whole.length > 1 && ensemble >= single + ensembleGainMin;
  const chosen = wins ? whole : [first];
  const last = inFirst.at(-1) ?? 0;
  return {
    settings: first.settings,
    fits: chosen.flatMap(({ byWindow }) => byWindow[last] ?? []),
    trials,
    single,
    ensemble,
    members: chosen.length,
    epochs: Math.max(...chosen.map(epochOf)),
    calibration: calibrate(
      Float64Array.from(inFirst.flatMap((at, i) => [...(wins ? (means[i] ?? []) : logits(first, at))])),
      Uint8Array.from(inFirst.flatMap((at) => [...(labels[at] ?? [])])),
    ),
    stopped: all.some((member) => fittedOf(member).length < windows.length || fittedOf(member).some((f) => f.stopped)),
  };
}

type OnProgress = (progress: ProcedureProgress) => void;

async function validated(task: ProcedureTask, trainer: Trainer, onProgress: OnProgress): Promise<Choice | undefined> {
  const { table, windows, candidates, ensembleMax, seed } = task;
  const networks = (candidates.length + ensembleMax - 1) * windows.length;
  const fitMember = async (settings: Settings, member: number, place: number): Promise<Member> => ({
    settings,
    byWindow: await Promise.all(
      windows.map(({ trialRows, validationRows }, at) =>
        trainer.fit(
          { table, rows: trialRows, validationRows, options: { ...settings, seed: memberSeed(seed, member) } },
          (report) => {
            const network = place * windows.length + at + 1;
            onProgress({ ...report, phase: 'validation', network, networks, epochs: settings.epochs });
          },
        ),
      ),
    ),
  });
  const tried = await Promise.all(candidates.map((settings, at) => fitMember(settings, 0, at)));
  const trials = tried
    .filter((member) => fittedOf(member).length > 0)
    .map((member): Trial => {
      const windowAps = fittedOf(member).map(({ validationAp }) => validationAp ?? Number.NaN);
      return { settings: member.settings, epoch: epochOf(member), validationAp: apOf(member), windowAps };
    });
  const best = bestOf(tried);
  if (best === undefined) return undefined;
  const others = await Promise.all(
    Array.from({ length: ensembleMax - 1 }, (_, at) => fitMember(best.settings, at + 1, candidates.length + at)),
  );
  return judged(task, [best, ...others], trials);
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
 * A sample of share s of the genuine payments has 1 ÷ s times the odds of fraud; a constant on the logit takes that back (King and
 * Zeng 2001, prior correction).
 */
function corrected(calibration: Calibration, { genuineShare = 1 }: TrainingTable): Calibration {
  const { slope, offset } = Number.isFinite(calibration.slope) ? calibration : uncalibrated;
  return { slope, offset: genuineShare === 1 ? offset : offset + log(genuineShare) };
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
  const { settings, trials, single, ensemble, members, epochs } = choice;
  const final = await fitMembers(task, settings, members, epochs, trainer, onProgress);
  const fits = final.length === 0 ? choice.fits : final;
  const first = fits[0] as Fitted;
  const calibration = corrected(choice.calibration, task.table);
  return {
    parameters: foldEnsemble(
      fits.map(({ parameters }) => parameters),
      calibration,
    ),
    scale: first.scale,
    settings,
    members: fits.length,
    epoch: first.epoch,
    meanLoss: meanOf(fits.map(({ meanLoss }) => meanLoss)),
    trials,
    validation: { single, ensemble },
    calibration,
    interrupted: final.length < members || final.some(({ stopped }) => stopped) || choice.stopped,
  };
}
