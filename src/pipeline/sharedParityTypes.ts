/** What the parity check over topics (sharedParity.ts) is given, and its bounds. */
import type { FeatureProgram, VelocityMemory } from '../features/types.ts';
import type { EventLog } from './ports.ts';

export const sharedParityBounds = {
  /** Clocks of the processes that decide may differ by so much. */
  clockSkewMs: 100,
  /** How long after a decision without velocity its payment may still wait for Redis. */
  backlogMs: 15 * 60_000,
  /** How long after it was appended to its topic a label may still wait to be counted. */
  labelMs: 60_000,
  /** As the claims of payments: a label that comes later finds no payment, and is a dead letter. */
  claimMs: 7 * 86_400_000,
  /** Payments and labels at the time of a sampled payment of which every subset is tried. */
  candidatesMax: 8,
  /** Labels of the payments that share an entity with a sampled one. */
  labelsMax: 1_000_000,
} as const;

export interface SharedParityOptions {
  readonly log: Pick<EventLog, 'read'>;
  /** The features of a release; throws where it is not known here. */
  readonly programOf: (releaseId: string) => FeatureProgram;
  readonly createMemory: (program: FeatureProgram) => VelocityMemory;
  readonly sample: number;
  /** Decisions at the end of the topic of which payments are chosen. */
  readonly lookBackEntries: number;
  /** Decisions, and labels, that are read at all: what looks farther back is not compared, and is counted. */
  readonly entriesMax: number;
  /** Payments that share an entity with a sampled one: what bounds the memory, 1.2 kB each. Of more, the busiest entities are given up. */
  readonly relatedPaymentsMax: number;
  /** Payments counted again in trials of other orders, in one check; some 10 µs each. */
  readonly trialAppendsMax: number;
  /** Chooses among the payments. */
  readonly seed: number;
  /** Decisions after it are not looked at: what was decided before them may not be in the topic yet. */
  readonly decidedBeforeMs: number;
  readonly pause: () => Promise<void>;
}
