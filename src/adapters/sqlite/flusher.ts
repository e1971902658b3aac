/**
 * Brings what is derived from the journal into state.db a bit at a time: ids of recorded decisions, and copies of entities
 * that changed. A copy waits until no payment in it can still fail to reach the journal (stamps.ts).
 *
 * The checkpoint is the largest stamp such that every entity change up to it is stored; what comes after it is replayed
 * after a crash. Entities are taken at the pace that keeps that replay short, and not faster: one that changes
 * often is then stored once for many changes.
 */
import type { VelocityMemory } from '../../features/types.ts';
import type { Checkpoint } from './checkpoint.ts';
import { checkpointMeta } from './checkpoint.ts';
import { HeldCopies, heldMax } from './heldCopies.ts';
import type { StampLedger } from './stamps.ts';
import type { Flush, PackedEntity, StateMeta, ToState } from './stateProtocol.ts';
import { packEntities } from './stateProtocol.ts';

/** Journal rows that recovery has to replay, about: appends to velocity wait while there are more. */
const replayRowsMax = 50_000;
/** Copies taken in one go: bounds the pause of the main thread (some µs each). */
const takeMax = 256;
/** More of them for a large batch, which takes its time anyway: a payment touches some seven entities. */
const takesPerRowMax = 8;
/** Copies stored in one go, for the same reason; and when so many wait that falling behind would be worse. */
const sendMax = 512;
const sendMaxBehind = 4096;
const behindCount = 8192;
/** Longest that one append to velocity waits for a state.db that cannot keep up. */
const backPressureMsMax = 1000;

/** How eagerly state.db follows; tests make it hasty, so that crashes fall into its middle. */
export interface FlushPace {
  /** All entities that wait are taken before the replay gets longer than this. */
  readonly replayRowsAim: number;
  /** Recorded rows after which a flush starts, and time after which one starts with whatever there is. */
  readonly flushRows: number;
  readonly flushIntervalMs: number;
  readonly tickMs: number;
  /** Pause after a flush that failed. */
  readonly retryAfterMs: number;
}

export const defaultPace: FlushPace = {
  replayRowsAim: 35_000,
  flushRows: 4096,
  flushIntervalMs: 1000,
  tickMs: 250,
  retryAfterMs: 1000,
};
if (defaultPace.replayRowsAim + 2 * defaultPace.flushRows > replayRowsMax)
  throw new Error('replayRowsMax leaves no room');

/** Where it is stored: the thread of state.db. One call at a time. */
export interface FlushTarget {
  /** Resolves with the milliseconds it took, when all of it is stored; rejects with nothing of it stored. */
  run(message: Extract<ToState, { type: 'flush' | 'dropVelocity' }>): Promise<number>;
}

export interface FlusherOptions {
  readonly pace: FlushPace;
  readonly state: FlushTarget;
  readonly ledger: StampLedger;
  /** The stored one. */
  readonly checkpoint: Pick<Checkpoint, 'stamp' | 'replayFromSeq'>;
  /** Called with the key of every entity that is going to be stored. */
  readonly onTaken?: (key: Uint8Array) => void;
  /** Called when every id through that seq is in the index. */
  readonly onIndexed: (seq: number) => void;
}

export interface FlusherStats {
  readonly dirtyEntities: number;
  readonly heldEntities: number;
  readonly checkpointLagRows: number;
  readonly unindexedIds: number;
  readonly lastFlushMs: number;
  readonly lastError: string | undefined;
}

export class Flusher {
  readonly copies: HeldCopies;
  readonly #options: FlusherOptions;
  /** hash, seq, flat. */
  #ids: number[] = [];
  #memory: VelocityMemory | undefined;
  #rowsSinceFlush = 0;
  #rowsSinceTick = 0;
  #checkpoint: number;
  #replayFromSeq: number;
  #flushing: Promise<boolean> | undefined;
  #lastFlushMs = performance.now();
  #notBeforeMs = 0;
  #lastTookMs = 0;
  #lastError: string | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.copies = new HeldCopies(options.onTaken ?? (() => {}));
    this.#checkpoint = options.checkpoint.stamp;
    this.#replayFromSeq = options.checkpoint.replayFromSeq;
    this.#timer = setInterval(() => this.#tick(), options.pace.tickMs);
    this.#timer.unref();
  }

  /** Throws the stored entities away, for a memory whose state has another shape. Before `attach`. */
  async dropVelocity(fingerprint: string): Promise<void> {
    await this.#flushing;
    await this.#options.state.run({ type: 'dropVelocity', fingerprint });
    this.#checkpoint = 0;
    this.#replayFromSeq = 1;
    this.#options.ledger.rewind();
  }

  /** From now on this memory's changes are stored: it holds everything that the journal does. */
  attach(memory: VelocityMemory): void {
    this.#memory = memory;
  }

  /** A decision became durable. */
  noteId(hash: number, seq: number): void {
    this.#ids.push(hash, seq);
  }

  /**
   * What a further append should wait for: undefined, unless the replay after a crash is over its bound. To be asked
   * before a stamp is opened: what is open must be able to finish, or nothing could be stored.
   */
  room(): Promise<unknown> | undefined {
    if (this.#lagRows <= replayRowsMax || this.#lastError !== undefined || this.#memory === undefined) return undefined;
    this.copies.take(this.#memory, takesPerRowMax * takeMax);
    return Promise.race([this.#flush(), new Promise((resolve) => setTimeout(resolve, backPressureMsMax).unref())]);
  }

  /** Rows became durable: takes entities at the pace, and flushes when it is time. */
  recorded(rows: number): void {
    this.#rowsSinceFlush += rows;
    this.#rowsSinceTick += rows;
    if (this.#memory !== undefined) this.copies.take(this.#memory, this.#takesFor(rows, this.#memory.dirty().count));
    if (this.#rowsSinceFlush >= this.#options.pace.flushRows) void this.#flush();
  }

  stats(): FlusherStats {
    return {
      dirtyEntities: this.#memory?.dirty().count ?? 0,
      heldEntities: this.copies.count,
      checkpointLagRows: this.#lagRows,
      unindexedIds: this.#ids.length / 2,
      lastFlushMs: this.#lastTookMs,
      lastError: this.#lastError,
    };
  }

  /** Stores everything that can be stored and marks the stop as clean. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flushing;
    for (let left = Number.POSITIVE_INFINITY; ; ) {
      if (this.#memory !== undefined) this.copies.take(this.#memory, heldMax);
      if (!(await this.#flush())) return;
      const now = (this.#memory?.dirty().count ?? 0) + this.copies.count;
      // What stays belongs to payments that were never settled: the next start replays without them.
      if (now === 0 || now >= left) break;
      left = now;
    }
    await this.#options.state.run(flushOf([], [], [['clean', '1']]));
  }

  get #lagRows(): number {
    return Math.max(0, this.#options.ledger.lastSeq - this.#replayFromSeq + 1);
  }

  /** Entities to take for `rows` recorded rows, so that all that wait are taken before the replay gets too long. */
  #takesFor(rows: number, waiting: number): number {
    const left = Math.max(rows, this.#options.pace.replayRowsAim - this.#lagRows);
    return Math.min(Math.max(takeMax, takesPerRowMax * rows), Math.ceil((rows * waiting) / left));
  }

  #tick(): void {
    const idle = this.#rowsSinceTick === 0;
    this.#rowsSinceTick = 0;
    if (idle && this.#memory !== undefined) this.copies.take(this.#memory, takeMax);
    const pending = this.#ids.length > 0 || this.copies.count > 0;
    if (pending && performance.now() - this.#lastFlushMs >= this.#options.pace.flushIntervalMs) void this.#flush();
  }

  /** Stores ids and the copies that may be stored. @returns false when that failed; it is tried again later. */
  #flush(): Promise<boolean> {
    if (this.#flushing !== undefined) return this.#flushing;
    if (performance.now() < this.#notBeforeMs) return Promise.resolve(false);
    this.#flushing = this.#flushOnce().finally(() => {
      this.#flushing = undefined;
      this.#lastFlushMs = performance.now();
    });
    return this.#flushing;
  }

  async #flushOnce(): Promise<boolean> {
    const { state, ledger, onIndexed } = this.#options;
    const { watermark, lastSeq } = ledger;
    const max = this.copies.count > behindCount ? sendMaxBehind : sendMax;
    const entities = this.copies.send(watermark, max);
    const ids = this.#ids;
    this.#ids = [];
    this.#rowsSinceFlush = 0;
    const checkpoint = this.#checkpointNow(watermark);
    const replayFromSeq = this.#memory === undefined ? this.#replayFromSeq : ledger.replayFrom(checkpoint);
    const meta: [StateMeta, string][] = [
      ['idsSeq', String(lastSeq)],
      ['clean', '0'],
      ...checkpointMeta({ stamp: checkpoint, replayFromSeq, lastStamp: ledger.last }),
    ];
    try {
      this.#lastTookMs = await state.run(flushOf(ids, entities, meta));
    } catch (error) {
      this.#lastError = error instanceof Error ? error.message : 'unknown';
      this.#notBeforeMs = performance.now() + this.#options.pace.retryAfterMs;
      this.#ids = ids.concat(this.#ids);
      this.copies.putBack();
      return false;
    }
    this.#checkpoint = checkpoint;
    this.#replayFromSeq = replayFromSeq;
    ledger.forget(checkpoint);
    this.copies.stored();
    this.#lastError = undefined;
    onIndexed(lastSeq);
    if (entities.length === max) setImmediate(() => void this.#flush());
    return true;
  }

  /** Once everything that was sent is stored, every change through this stamp is. */
  #checkpointNow(watermark: number): number {
    // Nobody has replayed the rows after the stored checkpoint yet.
    if (this.#memory === undefined) return this.#checkpoint;
    const oldest = Math.min(watermark + 1, this.#memory.dirty().oldestBatch, this.copies.oldestStamp());
    return Math.max(this.#checkpoint, oldest - 1);
  }
}

function flushOf(ids: readonly number[], entities: readonly PackedEntity[], meta: Flush['meta']): Flush {
  return {
    type: 'flush',
    ids: Float64Array.from(ids),
    entities: packEntities(entities),
    entityCount: entities.length,
    meta,
  };
}
