/** How a model is: what it is given against what it was trained on, and what became of its answers. */
import { type Calibration, calibrationOf, type Share, shareOf } from './calibration.ts';
import { quantile } from './bootstrap.ts';
import type { PopulationReference } from './reference.ts';
import { type Drift, driftOf, populationStability, stabilityByChance } from './stability.ts';

/** One input over the payments looked at: rows without a value, and rows in each of the reference's bins. */
export interface InputCounts {
  readonly fact: string;
  readonly missing: number;
  /** Undefined where the model has no reference of it. */
  readonly bins: readonly number[] | undefined;
}

export interface PopulationCounts {
  /** Payments that the model scored in the time. */
  readonly scored: number;
  /** Of those, the payments looked at. */
  readonly sampled: number;
  readonly inputs: readonly InputCounts[];
  readonly scoreBins: readonly number[] | undefined;
}

/** Scored payments whose truth is known, or taken to be known. */
export interface OutcomeRows {
  readonly probabilities: Float64Array;
  readonly frauds: Uint8Array;
  readonly held: Uint8Array;
  /** 1 where there is no label, and the payment is old enough to be taken as legitimate. */
  readonly assumed: Uint8Array;
  /** From the payment to its newest label, seconds; NaN where assumed. */
  readonly labelDelays: Float64Array;
}

export interface Stability {
  readonly drift: Drift;
  /** Null where there is no reference, or no row. */
  readonly psi: number | null;
  /** What the index would be about, had nothing moved. */
  readonly psiByChance: number | null;
}

export interface InputHealth extends Stability {
  readonly fact: string;
  /** Share of the payments without a value. */
  readonly missing: number | null;
  readonly missingInReference: number | null;
}

export interface ModelHealth {
  readonly scored: number;
  readonly sampled: number;
  /** Rows of the training reference; null where the card has none, and nothing can be said of drift. */
  readonly referenceRows: number | null;
  readonly score: Stability;
  /** In the order of the card; an input whose values are not recorded is left out. */
  readonly inputs: readonly InputHealth[];
  readonly labels: {
    readonly labelled: number;
    readonly frauds: number;
    /** Without a label, taken as legitimate. */
    readonly assumed: number;
    readonly delaySeconds: { readonly p50: number; readonly p90: number } | null;
  };
  readonly calibration: Calibration;
  /** Of what was held, the share that was fraud; of the fraud, the share that was held. */
  readonly alerts: { readonly precision: Share; readonly recall: Share };
}

function stabilityOf(expected: readonly number[] | undefined, actual: readonly number[] | undefined): Stability {
  if (expected === undefined || actual === undefined) return { drift: 'unknown', psi: null, psiByChance: null };
  const psi = populationStability(expected, actual);
  const byChance = stabilityByChance(expected, actual);
  return { drift: driftOf(psi, byChance), psi: psi ?? null, psiByChance: byChance ?? null };
}

function inputHealth(counts: InputCounts, sampled: number, reference: PopulationReference | undefined): InputHealth {
  const own = reference?.inputs.find(({ fact }) => fact === counts.fact);
  return {
    fact: counts.fact,
    ...stabilityOf(own?.counts, counts.bins),
    missing: sampled === 0 ? null : counts.missing / sampled,
    missingInReference: own === undefined || reference === undefined ? null : own.missing / reference.rows,
  };
}

function labelsOf({ frauds, assumed, labelDelays }: OutcomeRows): ModelHealth['labels'] {
  const delays = labelDelays.filter((delay) => !Number.isNaN(delay)).sort();
  const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);
  return {
    labelled: frauds.length - count(assumed),
    frauds: count(frauds),
    assumed: count(assumed),
    delaySeconds: delays.length === 0 ? null : { p50: quantile(delays, 0.5), p90: quantile(delays, 0.9) },
  };
}

function alertsOf({ frauds, held }: OutcomeRows): ModelHealth['alerts'] {
  let alerts = 0;
  let hits = 0;
  let fraud = 0;
  frauds.forEach((truth, row) => {
    fraud += truth;
    if (held[row] !== 1) return;
    alerts += 1;
    hits += truth;
  });
  return { precision: shareOf(hits, alerts), recall: shareOf(hits, fraud) };
}

export function healthOf(
  counts: PopulationCounts,
  outcomes: OutcomeRows,
  reference: PopulationReference | undefined,
): ModelHealth {
  return {
    scored: counts.scored,
    sampled: counts.sampled,
    referenceRows: reference?.rows ?? null,
    score: stabilityOf(reference?.score.counts, counts.scoreBins),
    inputs: counts.inputs.map((input) => inputHealth(input, counts.sampled, reference)),
    labels: labelsOf(outcomes),
    calibration: calibrationOf(outcomes.probabilities, outcomes.frauds),
    alerts: alertsOf(outcomes),
  };
}
