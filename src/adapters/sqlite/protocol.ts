/**
 * Messages of the main thread to the journal's thread, as bytes in the ring. A head of 24 bytes, then what the type says:
 * 0 u32 type   4 u32 count   8 f64 ticket   16 u32 bytes of JSON at the message's end   20 u32 (0)
 */
import type { Commit, Topic } from '../../pipeline/ports.ts';

export const messageType = { record: 1, labels: 2, append: 3, commit: 4, indexed: 5, close: 6 } as const;

export const headBytes = 24;
/** `record`: one for each row, before the rows' bytes: f64 hash, f64 deadline (hrtime ms), f64 stamp, u32 bytes, u32 suspect. */
export const rowHeadBytes = 32;
/** `append`: one for each chunk, before the chunks' bytes: u32 messages, u32 bytes. */
export const chunkHeadBytes = 8;

export interface RecordTail {
  readonly commits: readonly Commit[];
}
export interface AppendTail {
  readonly topic: Topic;
}
export interface CommitTail {
  readonly commits: readonly Commit[];
}
/** `indexed`: state.db holds every id through this seq. */
export interface IndexedTail {
  readonly throughSeq: number;
}
export interface LabelRow {
  readonly stamp: number;
  readonly tenantId: string;
  readonly paymentId: string;
  readonly label: string;
  readonly source: string;
  readonly labelledAtMs: number;
}
export interface LabelsTail {
  readonly labels: readonly LabelRow[];
}

/**
 * What became of the messages of one transaction, each: ticket, first seq or offset, number of rows that went another
 * way, then row and code of each of those. A row without a code was written.
 */
export interface Reply {
  readonly values: Float64Array;
  /** The transaction failed and nothing of it was written: why. */
  readonly failure: { readonly message: string; readonly code: string } | undefined;
}

/** Codes of a row that was not written: the seq of the winner (≥ 1), or one of these. */
export const codeExpired = -1;
/** A label that was recorded before. */
export const codeKnown = -2;

export interface JournalThreadData {
  readonly dataDir: string;
  readonly ring: SharedArrayBuffer;
  /** hash, seq of the decisions that state.db does not index yet, flat. */
  readonly hot: Float64Array;
  /** Pages the database may have; 0: no limit. For tests of a full disk. */
  readonly pagesMax: number;
}

/** Milliseconds of the clock that all threads of a process share. */
export const sharedClockMs = (): number => Number(process.hrtime.bigint()) / 1e6;
