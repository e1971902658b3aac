import type { StateMeta } from './stateProtocol.ts';

/** Where the stored state stands. */
export interface Checkpoint {
  /** Every stored entity holds its changes through this stamp. */
  readonly stamp: number;
  /** Every journal row with a larger stamp has this seq or a larger one. */
  readonly replayFromSeq: number;
  /** No stored entity has a larger stamp: a stamp of which no journal row came must not be given again either. */
  readonly lastStamp: number;
}

/** The checkpoint that a flush stored; before the first one there is nothing stored. */
export function readCheckpoint(meta: (name: StateMeta) => string | undefined): Checkpoint {
  const stamp = Number(meta('stamp') ?? 0);
  const lastStamp = Math.max(stamp, Number(meta('lastStamp') ?? 0));
  return { stamp, replayFromSeq: Number(meta('replayFromSeq') ?? 1), lastStamp };
}

/** What `readCheckpoint` will read. */
export const checkpointMeta = ({ stamp, replayFromSeq, lastStamp }: Checkpoint): [StateMeta, string][] => [
  ['stamp', String(stamp)],
  ['replayFromSeq', String(replayFromSeq)],
  ['lastStamp', String(lastStamp)],
];
