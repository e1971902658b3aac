/** What the parity check (parity.ts) is given, what it says, and its bounds. */
import type { FeatureProgram, VelocityMemory } from '../features/types.ts';
import type { JournalEntry } from './sink.ts';

export const parityBounds = {
  /** Payments compared in one check. */
  sampleMax: 10_000,
  /** Releases whose features are computed again in one check; each counts the log by itself. */
  releasesMax: 4,
  /** Mismatches that are shown. */
  shownMax: 50,
  /** Payments that share an entity with a sampled one. */
  relatedPaymentsMax: 500_000,
  /** Entries between two pauses. */
  sliceEntries: 500,
} as const;

/** The log of decisions and labels as this check reads it. */
export interface ParityLog {
  /** Seq of the oldest and of the newest entry, 0 where there is none. */
  ends(): { readonly first: number; readonly last: number };
  /** Entries from `fromSeq` on, in any order. */
  recent(fromSeq: number): Iterable<JournalEntry>;
  /** All entries, in the order in which velocity saw them. */
  inOrder(): Iterable<JournalEntry>;
}

/** Why a payment could not be compared; a bounded set, for metrics. */
export const parityReasons = [
  'velocity_degraded',
  'release_unreadable',
  'too_many_releases',
  'log_begins_later',
  'log_too_long',
  'too_many_payments',
  'payment_unreadable',
] as const;
export type ParityReason = (typeof parityReasons)[number];

export interface ParityMismatch {
  readonly tenantId: string;
  readonly paymentId: string;
  readonly feature: string;
  /** Null is missing. */
  readonly online: number | null;
  readonly recomputed: number | null;
}

export interface ParityReport {
  /** Payments looked at. */
  readonly sampled: number;
  /** Of those, payments of which every feature was computed again. */
  readonly compared: number;
  /** Values compared. */
  readonly values: number;
  /** Values that differ, though within the bounds of values that are not exact. */
  readonly withinBounds: number;
  /** Values that are what the state gives in another order of payments that were decided at the same time. */
  readonly otherOrder: number;
  /** Values that differ, of payments with too many others at the same time to try every order. */
  readonly orderUnknown: number;
  /** Values not compared: they look farther back than what was read of the log. */
  readonly notCovered: number;
  readonly mismatches: number;
  /** The first of them. */
  readonly shown: readonly ParityMismatch[];
  readonly notComparable: Readonly<Partial<Record<ParityReason, number>>>;
}

/** What a check of either log is given. */
export interface SampleOptions {
  /** The features of a release; throws where it cannot be read. */
  readonly programOf: (releaseId: string) => FeatureProgram;
  readonly createMemory: (program: FeatureProgram) => VelocityMemory;
  readonly sample: number;
  /** Entries at the end of the log, or decisions of the topic, of which payments are chosen. */
  readonly lookBackEntries: number;
  /** Entries that a check may read; what looks farther back is not compared, and is counted. */
  readonly entriesMax: number;
  /** Payments that share an entity with a sampled one: what bounds the memory, 1.2 kB each. Of more, the busiest entities are given up. */
  readonly relatedPaymentsMax: number;
  /** Chooses among the payments. */
  readonly seed: number;
  /** Decisions after it are not looked at: what came before them may not be in the log yet. */
  readonly decidedBeforeMs: number;
  readonly pause: () => Promise<void>;
}

export interface ParityOptions extends SampleOptions {
  readonly log: ParityLog;
}
