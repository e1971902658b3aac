/**
 * Brings what is derived from the journal into state.db a bit at a time: ids of recorded decisions, and copies of entities
 * that changed. A copy waits here until no payment in it can still fail to reach the journal (stamps.ts).
 *
 * The checkpoint is the largest stamp such that every entity change up to it is stored; what comes after it is replayed
 * after a crash. Entities are taken at the pace that keeps that replay short, and not faster: one that changes
 * often is then stored once for many changes.
 */
import type { VelocityMemory } from '../../features/types.ts';
import type { StampLedger } from './stamps.ts';
import type { StateClient } from './stateClient.ts';
import type { Flush, PackedEntity, StateMeta } from './stateProtocol.ts';
import { packEntities } from './stateProtocol.ts';
import { keyText } from './storageHooks.ts';

/** Journal rows that recovery has to replay, at most (while the disk keeps up). */
export const replayRowsMax = 50_000;
/** Copies taken in one go: bounds the pause of the main thread (about 1 µs each). */
const takeMax = 1024;
/** Copies in memory: beyond either no more are taken until some are stored. */
const heldMax = 32_768;
const heldBytesMax = 32 * 1024 * 1024;
const retryAfterMs = 1000;

interface Held extends PackedEntity {
  /** No change older than this one is missing in state.db but in this copy. */
  readonly oldestStamp: number;
}

/** How eagerly state.db follows; tests make it hasty, so that crashes fall into its middle. */
export interface FlushPace {
  readonly replayRowsAim: number;
  readonly flushRows: number;
  readonly flushIntervalMs: number;
  readonly tickMs: number;
}

export const defaultPace: FlushPace = {
  // Taking, waiting and storing must fit between it and replayRowsMax.
  replayRowsAim: 35_000,
  // Recorded rows after which a flush starts, and time after which one starts with whatever there is.
  flushRows: 4096,
  flushIntervalMs: 1000,
  tickMs: 250,
};
if (defaultPace.replayRowsAim + 2 * defaultPace.flushRows > replayRowsMax) throw new Error('replayRowsMax leaves no room');

export interface FlusherOptions {
  readonly pace: FlushPace;
  readonly state: StateClient;
  readonly ledger: StampLedger;
  /** The stored checkpoint. */
  readonly checkpoint: number;
  readonly replayFromSeq: number;
  /** Called when every id through that seq is in the index. */
  readonly onIndexed: (seq: number) => void;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #held = new Map<string, Held>();
  #sending = new Map<string, Held>();
  /** Oldest stamps of copies that were thrown away; their entities will be taken again. */
  readonly #owed = new Map<string, number>();
  /** At most what the held copies take: counted again at every flush. */
  #heldBytes = 0;
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
    this.#checkpoint = options.checkpoint;
    this.#replayFromSeq = options.replayFromSeq;
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

  /** From now on this memory's changes are stored. */
  attach(memory: VelocityMemory): void {
    this.#memory = memory;
  }

  /** The newest copy of an entity that state.db may not have yet. */
  held(key: Uint8Array): Uint8Array | undefined {
    if (this.#held.size === 0 && this.#sending.size === 0) return undefined;
    const text = keyText(key);
    return (this.#held.get(text) ?? this.#sending.get(text))?.bytes;
  }

  /** Forgets copies that hold something which will not be in the journal; their entities wait to be taken again. */
  discard(keys: readonly Uint8Array[]): void {
    for (const key of keys) {
      const text = keyText(key);
      const held = this.#held.get(text);
      if (held === undefined) continue;
      this.#held.delete(text);
      this.#owe(text, held.oldestStamp);
    }
  }

  /** A decision became durable. */
  noteId(hash: number, seq: number): void {
    this.#ids.push(hash, seq);
  }

  /** Rows became durable: takes entities at the pace, and flushes when it is time. */
  recorded(rows: number): void {
    this.#rowsSinceFlush += rows;
    this.#rowsSinceTick += rows;
    this.#take(this.#pace(rows));
    if (this.#rowsSinceFlush >= this.#options.pace.flushRows) void this.#flush();
  }

  stats(): {
    readonly heldEntities: number;
    readonly dirtyEntities: number;
    readonly checkpointLagRows: number;
    readonly unindexedIds: number;
    readonly lastFlushMs: number;
    readonly lastError: string | undefined;
  } {
    return {
      heldEntities: this.#held.size + this.#sending.size,
      dirtyEntities: this.#memory?.dirty().count ?? 0,
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
    for (;;) {
      const before = (this.#memory?.dirty().count ?? 0) + this.#held.size;
      this.#take(heldMax);
      if (!(await this.#flush())) return;
      const after = (this.#memory?.dirty().count ?? 0) + this.#held.size;
      if (after === 0 || after >= before) break;
    }
    await this.#options.state.run(this.#message([], [['clean', '1']]));
  }

  get #lagRows(): number {
    return Math.max(0, this.#options.ledger.lastSeq - this.#replayFromSeq + 1);
  }

  /** Entities to take for `rows` recorded rows, so that all that wait are taken before the replay gets too long. */
  #pace(rows: number): number {
    const waiting = this.#memory?.dirty().count ?? 0;
    if (waiting === 0) return 0;
    const left = Math.max(rows, this.#options.pace.replayRowsAim - this.#lagRows);
    return Math.min(takeMax, Math.ceil((rows * waiting) / left));
  }

  #take(max: number): void {
    const memory = this.#memory;
    const room = Math.min(max, heldMax - this.#held.size);
    if (memory === undefined || room <= 0 || this.#heldBytes > heldBytesMax) return;
    const { oldestBatch } = memory.dirty();
    for (const { key, bytes, batch } of memory.takeDirty(room, Number.POSITIVE_INFINITY)) {
      const text = keyText(key);
      const earlier = Math.min(this.#held.get(text)?.oldestStamp ?? oldestBatch, this.#owed.get(text) ?? oldestBatch);
      this.#owed.delete(text);
      this.#heldBytes += bytes.length;
      this.#held.set(text, { key, bytes, stamp: batch, oldestStamp: Math.min(oldestBatch, earlier) });
    }
  }

  #tick(): void {
    const idle = this.#rowsSinceTick === 0;
    this.#rowsSinceTick = 0;
    if (idle) this.#take(takeMax);
    const pending = this.#ids.length > 0 || this.#held.size > 0;
    if (pending && performance.now() - this.#lastFlushMs >= this.#options.pace.flushIntervalMs) void this.#flush();
  }

  /** Stores ids and the copies that may be stored. @returns false when that failed; it is tried again later. */
  #flush(): Promise<boolean> {
    if (this.#flushing !== undefined) return this.#flushing;
    if (performance.now() < this.#notBeforeMs) return Promise.resolve(false);
    this.#flushing = this.#flushOnce().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushOnce(): Promise<boolean> {
    const { state, ledger, onIndexed } = this.#options;
    const { watermark, lastSeq } = ledger;
    for (const [text, held] of this.#held) {
      if (held.stamp > watermark) continue;
      this.#held.delete(text);
      this.#sending.set(text, held);
    }
    this.#heldBytes = 0;
    for (const { bytes } of this.#held.values()) this.#heldBytes += bytes.length;
    const ids = this.#ids;
    this.#ids = [];
    this.#rowsSinceFlush = 0;
    const checkpoint = this.#checkpointNow(watermark);
    const replayFromSeq = ledger.replayFrom(checkpoint);
    const meta: [StateMeta, string][] = [
      ['idsSeq', String(lastSeq)],
      ['stamp', String(checkpoint)],
      ['replayFromSeq', String(replayFromSeq)],
      ['clean', '0'],
    ];
    try {
      this.#lastTookMs = await state.run(this.#message(ids, meta));
      this.#checkpoint = checkpoint;
      this.#replayFromSeq = replayFromSeq;
      ledger.forget(checkpoint);
      this.#sending = new Map();
      this.#lastError = undefined;
      onIndexed(lastSeq);
      return true;
    } catch (error) {
      this.#putBack(ids, error);
      return false;
    } finally {
      this.#lastFlushMs = performance.now();
    }
  }

  #message(ids: readonly number[], meta: Flush['meta']): Flush {
    const entities = [...this.#sending.values()];
    return {
      type: 'flush',
      ids: Float64Array.from(ids),
      entities: packEntities(entities),
      entityCount: entities.length,
      meta,
    };
  }

  /** Once everything in `#sending` is stored, every change through this stamp is. */
  #checkpointNow(watermark: number): number {
    // Nobody has replayed the rows after the stored checkpoint yet.
    if (this.#memory === undefined) return this.#checkpoint;
    let oldest = Math.min(watermark + 1, this.#memory.dirty().oldestBatch);
    for (const { oldestStamp } of this.#held.values()) if (oldestStamp < oldest) oldest = oldestStamp;
    for (const stamp of this.#owed.values()) if (stamp < oldest) oldest = stamp;
    return Math.max(this.#checkpoint, oldest - 1);
  }

  #putBack(ids: number[], error: unknown): void {
    this.#lastError = error instanceof Error ? error.message : 'unknown';
    this.#notBeforeMs = performance.now() + retryAfterMs;
    this.#ids = ids.concat(this.#ids);
    for (const [text, sent] of this.#sending) {
      const newer = this.#held.get(text);
      if (newer === undefined) this.#held.set(text, sent);
      else this.#held.set(text, { ...newer, oldestStamp: Math.min(newer.oldestStamp, sent.oldestStamp) });
    }
    this.#sending = new Map();
  }

  #owe(text: string, stamp: number): void {
    this.#owed.set(text, Math.min(stamp, this.#owed.get(text) ?? stamp));
  }
}
