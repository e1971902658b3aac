/** Copies of changed entities on their way to state.db: held until they may be stored, then sent, then forgotten. */
import type { VelocityMemory } from '../../features/types.ts';
import type { PackedEntity } from './stateProtocol.ts';
import { keyText } from './storageHooks.ts';

/** Entities with held copies, and bytes of these: beyond either no more are taken until some are sent. */
export const heldMax = 32_768;
const heldBytesMax = 32 * 1024 * 1024;

interface Copy extends PackedEntity {
  /** No change older than this one is missing in state.db but in this copy. */
  readonly oldestStamp: number;
}

/**
 * An entity's copies. The first stays until it is sent, though a newer one is there: of an entity that changes all the time the
 * newest may never be old enough to be stored.
 */
interface Held {
  readonly first: Copy;
  readonly newest: Copy | undefined;
}

const oldestOf = ({ first, newest }: Held): number =>
  Math.min(first.oldestStamp, newest?.oldestStamp ?? Number.POSITIVE_INFINITY);

export class HeldCopies {
  readonly #held = new Map<string, Held>();
  #sending = new Map<string, Copy>();
  /** Oldest stamps of copies that were thrown away; their entities will be taken again. */
  readonly #owed = new Map<string, number>();
  /** What the held copies take. */
  #heldBytes = 0;
  readonly #onTaken: (key: Uint8Array) => void;

  /** @param onTaken told the key of every entity that may be in state.db from now on */
  constructor(onTaken: (key: Uint8Array) => void) {
    this.#onTaken = onTaken;
  }

  /** Entities with copies that wait, those under way included. */
  get count(): number {
    return this.#held.size + this.#sending.size;
  }

  /** Takes up to `max` changed entities out of the memory. */
  take(memory: Pick<VelocityMemory, 'dirty' | 'takeDirty'>, max: number): void {
    const room = Math.min(max, heldMax - this.#held.size);
    if (room <= 0 || this.#heldBytes > heldBytesMax) return;
    const { oldestBatch } = memory.dirty();
    for (const { key, bytes, batch } of memory.takeDirty(room, Number.POSITIVE_INFINITY)) {
      this.#onTaken(key);
      const text = keyText(key);
      const oldestStamp = Math.min(oldestBatch, this.#owed.get(text) ?? oldestBatch);
      this.#owed.delete(text);
      this.#hold(text, { key, bytes, stamp: batch, oldestStamp });
    }
  }

  /** The newest copy of an entity that state.db may not have yet. */
  find(key: Uint8Array): Uint8Array | undefined {
    if (this.count === 0) return undefined;
    const text = keyText(key);
    const held = this.#held.get(text);
    return (held?.newest ?? held?.first ?? this.#sending.get(text))?.bytes;
  }

  /** Forgets copies that hold something which will not be in the journal; their entities wait to be taken again. */
  discard(keys: readonly Uint8Array[]): void {
    for (const key of keys) {
      const text = keyText(key);
      const held = this.#held.get(text);
      if (held === undefined) continue;
      this.#release(text, held);
      this.#owed.set(text, Math.min(oldestOf(held), this.#owed.get(text) ?? Number.POSITIVE_INFINITY));
    }
  }

  /**
   * Up to `max` of the copies that may be stored: no stamp up to theirs is open. One `send` at a time, ended by `stored` or
   * `putBack`.
   */
  send(watermark: number, max: number): PackedEntity[] {
    for (const [text, held] of this.#held) {
      if (this.#sending.size >= max) break;
      const { first, newest } = held;
      if (newest !== undefined && newest.stamp <= watermark) {
        this.#release(text, held);
        this.#sending.set(text, { ...newest, oldestStamp: oldestOf(held) });
      } else if (first.stamp <= watermark) {
        this.#release(text, held);
        this.#sending.set(text, first);
        // An entity changes in the order of the stamps: what the first lacks is newer.
        if (newest !== undefined)
          this.#hold(text, { ...newest, oldestStamp: Math.max(newest.oldestStamp, first.stamp + 1) });
      }
    }
    return [...this.#sending.values()];
  }

  /** What was sent is in state.db. */
  stored(): void {
    this.#sending = new Map();
  }

  /** What was sent is not in state.db. */
  putBack(): void {
    for (const [text, sent] of this.#sending) {
      const later = this.#held.get(text);
      if (later !== undefined) this.#release(text, later);
      this.#hold(text, sent);
      if (later === undefined) continue;
      this.#hold(text, later.first);
      if (later.newest !== undefined) this.#hold(text, later.newest);
    }
    this.#sending = new Map();
  }

  /** The oldest stamp of a change that state.db lacks once everything sent is stored; Infinity when there is none here. */
  oldestStamp(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const held of this.#held.values()) oldest = Math.min(oldest, oldestOf(held));
    for (const stamp of this.#owed.values()) if (stamp < oldest) oldest = stamp;
    return oldest;
  }

  /** Holds a copy that is newer than those held. */
  #hold(text: string, copy: Copy): void {
    const held = this.#held.get(text);
    this.#heldBytes += copy.bytes.length - (held?.newest?.bytes.length ?? 0);
    if (held === undefined) this.#held.set(text, { first: copy, newest: undefined });
    else {
      const oldestStamp = Math.min(copy.oldestStamp, held.newest?.oldestStamp ?? copy.oldestStamp);
      this.#held.set(text, { first: held.first, newest: { ...copy, oldestStamp } });
    }
  }

  #release(text: string, { first, newest }: Held): void {
    this.#held.delete(text);
    this.#heldBytes -= first.bytes.length + (newest?.bytes.length ?? 0);
  }
}
