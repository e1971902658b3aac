/** The parity check as it runs beside a live system: a small sample now and then, and what came of all of them. */
import { checkParity } from './parity.ts';
import {
  parityBounds,
  type ParityMismatch,
  type ParityOptions,
  type ParityReason,
  type ParityReport,
} from './parityTypes.ts';

/** What the checks of this process came to. */
export interface ParityState {
  readonly checks: number;
  readonly compared: number;
  readonly values: number;
  readonly withinBounds: number;
  readonly otherOrder: number;
  readonly orderUnknown: number;
  readonly notCovered: number;
  readonly mismatches: number;
  readonly notComparable: Readonly<Partial<Record<ParityReason, number>>>;
  /** The newest first. */
  readonly shown: readonly ParityMismatch[];
  readonly lastAtMs: number | undefined;
  /** Of the last check; undefined after one that ended. */
  readonly lastError: string | undefined;
}

const noParity: ParityState = {
  checks: 0,
  compared: 0,
  values: 0,
  withinBounds: 0,
  otherOrder: 0,
  orderUnknown: 0,
  notCovered: 0,
  mismatches: 0,
  notComparable: {},
  shown: [],
  lastAtMs: undefined,
  lastError: undefined,
};

/** Mismatches that the state keeps. */
const shownMax = 20;

export interface ParityTiming {
  /** From the start to the first check, and from one to the next. */
  readonly firstMs: number;
  readonly intervalMs: number;
  /** Decisions younger than this are not looked at: what came before them may not be in the log yet. */
  readonly settledMs: number;
}

/** As `liveParity`, for the check over topics. */
export const liveSharedParity = {
  timing: { firstMs: 60_000, intervalMs: 15 * 60_000, settledMs: 60_000 } satisfies ParityTiming,
  sample: 200,
  lookBackEntries: 20_000,
  /** What looks farther back is left out. */
  entriesMax: 500_000,
  relatedPaymentsMax: 50_000,
  trialAppendsMax: 100_000,
} as const;

export const liveParity = {
  timing: { firstMs: 60_000, intervalMs: 15 * 60_000, settledMs: 10_000 } satisfies ParityTiming,
  sample: 200,
  lookBackEntries: 20_000,
  /** An entry takes about 50 µs, and a process that yields to all others has time for so many of them. */
  entriesMax: 1_000_000,
  relatedPaymentsMax: parityBounds.relatedPaymentsMax,
} as const;

function added(before: ParityState, report: ParityReport, atMs: number): ParityState {
  const notComparable: Partial<Record<ParityReason, number>> = { ...before.notComparable };
  for (const [reason, payments] of Object.entries(report.notComparable) as [ParityReason, number][]) {
    notComparable[reason] = (notComparable[reason] ?? 0) + payments;
  }
  return {
    checks: before.checks + 1,
    compared: before.compared + report.compared,
    values: before.values + report.values,
    withinBounds: before.withinBounds + report.withinBounds,
    otherOrder: before.otherOrder + report.otherOrder,
    orderUnknown: before.orderUnknown + report.orderUnknown,
    notCovered: before.notCovered + report.notCovered,
    mismatches: before.mismatches + report.mismatches,
    notComparable,
    shown: [...report.shown, ...before.shown].slice(0, shownMax),
    lastAtMs: atMs,
    lastError: undefined,
  };
}

export interface ParityJob {
  state(): ParityState;
}

/** The log as one check reads it. */
export interface OpenParity {
  readonly tools: Pick<ParityOptions, 'log' | 'programOf' | 'createMemory' | 'pause'>;
  close(): void;
}

export interface ParityJobOptions {
  readonly timing: ParityTiming;
  /** Wall clock, milliseconds. */
  readonly nowMs: () => number;
  /** Resolves after `ms` or when the job is to stop. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** One check. Rejects where the log cannot be read. */
  readonly check: (run: ParityRun) => Promise<ParityReport>;
  readonly describe: (error: unknown) => string;
  /** Told of each check that ended. It stops nothing. */
  readonly onReport?: (report: ParityReport, atMs: number) => void;
}

/** What one check is given by the job. */
export interface ParityRun {
  /** Another for each check. */
  readonly seed: number;
  readonly decidedBeforeMs: number;
  /** Rejects when the job is to stop. */
  readonly pause: () => Promise<void>;
}

/** The check over a journal that is opened anew for each. */
export function journalCheck(open: () => OpenParity): ParityJobOptions['check'] {
  return async ({ seed, decidedBeforeMs, pause }) => {
    const opened = open();
    try {
      const { timing: _, ...bounds } = liveParity;
      return await checkParity({ ...opened.tools, ...bounds, pause, seed, decidedBeforeMs });
    } finally {
      opened.close();
    }
  };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Asked anew: it changes while something is awaited. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

/** Starts the checks; `ended` resolves after `signal` aborts, at the latest with the slice of the log under way. */
export function startParityJob(
  options: ParityJobOptions,
  signal: AbortSignal,
): ParityJob & { readonly ended: Promise<void> } {
  const { timing, nowMs } = options;
  let state = noParity;

  async function check(seed: number): Promise<void> {
    const pause = async (): Promise<void> => {
      await nextTurn();
      signal.throwIfAborted();
    };
    const report = await options.check({ seed, decidedBeforeMs: nowMs() - timing.settledMs, pause });
    const atMs = nowMs();
    state = added(state, report, atMs);
    options.onReport?.(report, atMs);
  }

  async function run(): Promise<void> {
    await options.wait(timing.firstMs, signal);
    for (let seed = 1; !signal.aborted; seed++) {
      try {
        await check(seed);
      } catch (error) {
        // Told to stop, it fails by design.
        if (!isAborted(signal)) state = { ...state, lastError: options.describe(error) };
      }
      await options.wait(timing.intervalMs, signal);
    }
  }

  return { state: () => state, ended: run() };
}
