/**
 * The sink: tails the log of decisions and labels and inserts it into the analytics store in blocks. Each row reaches the
 * store exactly once, whatever dies in between:
 *
 * 1. the block's range is written down (`begin`) before anything is inserted,
 * 2. the block is inserted under a token made of its range and content,
 * 3. the position is moved (`commit`).
 *
 * After a crash between 1 and 3 the same range is read again, so the same rows meet the same token (`insertAgain`).
 */
import { createHash } from 'node:crypto';
import { topics } from './ports.ts';
import {
  blockBytesMax,
  blockOf,
  blockRowsMax,
  type BlockStore,
  entryBytes,
  type FeatureNamesOf,
  named,
  type SinkEntry,
} from './sinkBlock.ts';

export type JournalEntry = { readonly seq: number } & SinkEntry;

/** The one total order of decisions and labels; `seq` grows, and may have gaps. */
export interface JournalSource {
  /** Up to `max` entries with seq ≥ `fromSeq`, in order. */
  readDecisions(fromSeq: number, max: number): readonly JournalEntry[];
  /** The seq of the newest entry, 0 when there is none. */
  lastSeq(): number;
}

/** Inclusive range of journal sequence numbers. */
export interface BlockRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

export interface SinkPosition {
  readonly nextSeq: number;
  readonly pending: BlockRange | undefined;
  /** Up to this entry the store may hold rows of blocks that nobody remembers: the position was lost once. */
  readonly absentToSeq: number;
  /** The machine stopped since: `nextSeq` is where rows are surely on disk, those after it may be there or not. */
  readonly powerLost: boolean;
}

/** The sink's own memory. A write survives the process; what a power loss takes of it shows as `powerLost`. */
export interface SinkPositions {
  /** Undefined when the sink never started here. */
  load(): SinkPosition | undefined;
  /** Goes on from `fromSeq`, where rows up to `absentToSeq` may be in the store already. */
  start(fromSeq: number, absentToSeq: number): void;
  begin(range: BlockRange): void;
  commit(nextSeq: number): void;
}

export interface SinkDependencies {
  readonly source: JournalSource;
  readonly positions: SinkPositions;
  readonly store: BlockStore;
  readonly featureNamesOf: FeatureNamesOf;
}

/** Entries read from the journal in one go. */
const pageEntriesMax = 2_000;

export interface SinkStep {
  readonly rows: number;
  /** The block was as large as a block gets: there is more, go on at once. */
  readonly full: boolean;
}

export interface Sink {
  /** Inserts at most one block. Rejects when the store or the source fails; the next call tries the same block again. */
  step(): Promise<SinkStep>;
  /** Journal entries not yet in the store, counted by sequence number. */
  lagRows(): number;
}

interface Gathered {
  readonly entries: readonly JournalEntry[];
  readonly full: boolean;
}

/** Reads a block's entries: to `toSeq` when the range is fixed, else as many as the bounds allow. */
function gather(source: JournalSource, fromSeq: number, toSeq: number | undefined): Gathered {
  const entries: JournalEntry[] = [];
  let bytes = 0;
  let next = fromSeq;
  for (;;) {
    const wanted = Math.min(pageEntriesMax, toSeq === undefined ? blockRowsMax - entries.length : toSeq - next + 1);
    if (wanted <= 0) return { entries, full: true };
    const page = source.readDecisions(next, wanted);
    for (const entry of page) {
      if (toSeq !== undefined && entry.seq > toSeq) return { entries, full: false };
      bytes += entryBytes(entry);
      if (toSeq === undefined && bytes > blockBytesMax && entries.length > 0) return { entries, full: true };
      entries.push(entry);
      next = entry.seq + 1;
    }
    if (page.length < wanted) return { entries, full: false };
  }
}

function tokenOf(range: BlockRange, entries: readonly JournalEntry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) {
    if (entry.kind === 'decision') hash.update(`${entry.seq}\u0000`).update(entry.record.decision);
    else hash.update(`${entry.seq}\u0000${JSON.stringify(entry.label)}`);
  }
  return `${topics.decisions}:0:${range.fromSeq}-${range.toSeq}:${hash.digest('hex')}`;
}

type InsertMode = 'insertBlock' | 'insertAgain' | 'insertAbsent';

/** @see the head of this file */
export function createSink(dependencies: SinkDependencies): Sink {
  const { source, positions, store } = dependencies;
  const loaded = positions.load();
  let started = loaded !== undefined && !loaded.powerLost;
  let nextSeq = loaded?.nextSeq ?? 0;
  let pending = loaded?.pending;
  let absentToSeq = loaded?.absentToSeq ?? 0;

  /** Without a sure position, the store may hold any later row of the log as it is now. */
  async function start(): Promise<void> {
    absentToSeq = (await store.isEmpty()) ? 0 : source.lastSeq();
    // A store that lost its tables is filled from the first entry on, whatever the position says.
    if (absentToSeq === 0) nextSeq = 0;
    positions.start(nextSeq, absentToSeq);
    started = true;
  }

  function modeOf(range: BlockRange, retry: boolean): InsertMode {
    if (range.fromSeq <= absentToSeq) return 'insertAbsent';
    return retry ? 'insertAgain' : 'insertBlock';
  }

  return {
    async step() {
      if (!started) await start();
      const retry = pending !== undefined;
      const { entries, full } = gather(source, pending?.fromSeq ?? nextSeq, pending?.toSeq);
      const first = entries[0];
      const last = entries.at(-1);
      if (first === undefined || last === undefined) {
        if (pending !== undefined) throw new Error(`the journal lost entries ${pending.fromSeq} to ${pending.toSeq}`);
        return { rows: 0, full: false };
      }
      const range = pending ?? { fromSeq: first.seq, toSeq: last.seq };
      const block = blockOf(named(entries, dependencies.featureNamesOf), tokenOf(range, entries));
      if (pending === undefined) positions.begin(range);
      pending = range;
      await store[modeOf(range, retry)](block);
      positions.commit(range.toSeq + 1);
      nextSeq = range.toSeq + 1;
      pending = undefined;
      return { rows: entries.length, full: full || retry };
    },
    lagRows: () => Math.max(0, source.lastSeq() - nextSeq + 1),
  };
}

/** Time between two blocks when the sink is at the end of the log: at most one insert a second into each table. */
export const liveIntervalMs = 1_000;
const retryMsMin = 250;
const retryMsMax = 10_000;

export interface SinkLoopHooks {
  /** Resolves after `ms` or when the loop is to stop. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  onStep(step: SinkStep): void;
  onError(error: unknown): void;
}

/** Runs the sink until `signal` aborts; a block under way is finished first. Never rejects: failures are retried, with back-off. */
export async function runSink(
  sink: Pick<Sink, 'step'>,
  hooks: SinkLoopHooks,
  signal: AbortSignal,
  intervalMs = liveIntervalMs,
): Promise<void> {
  let retryMs = retryMsMin;
  while (!signal.aborted) {
    try {
      const step = await sink.step();
      retryMs = retryMsMin;
      hooks.onStep(step);
      if (!step.full) await hooks.wait(intervalMs, signal);
    } catch (error) {
      hooks.onError(error);
      await hooks.wait(retryMs, signal);
      retryMs = Math.min(retryMs * 2, retryMsMax);
    }
  }
}
