/** What the parity check over topics (sharedParity.ts) is given, and its bounds. */
import type { SampleOptions } from './parityTypes.ts';
import type { EventLog } from './ports.ts';

export const sharedParityBounds = {
  /** Clocks of the processes that decide may differ by so much. */
  clockSkewMs: 100,
  /** How long after a decision without velocity its payment may still wait for Redis. */
  backlogMs: 15 * 60_000,
  /** How long after it was appended to its topic a label may still wait to be counted. */
  labelMs: 60_000,
  /** Payments and labels at the time of a sampled payment of which every subset is tried. */
  candidatesMax: 8,
  /** Labels of the payments that share an entity with a sampled one. */
  labelsMax: 1_000_000,
} as const;

export interface SharedParityOptions extends SampleOptions {
  readonly log: Pick<EventLog, 'read'>;
  /** How long a payment's claim lives: a label that comes later may find no payment, and is a dead letter then. */
  readonly claimMs: number;
  /** Payments counted again in trials of other orders, in one check; some 10 µs each. */
  readonly trialAppendsMax: number;
}
