/** Copies of changed entities on their way to state.db: held until they may be stored, then sent, then forgotten. */
import type { VelocityMemory } from '../../features/types.ts';
import type { PackedEntity } from './stateProtocol.ts';
import { keyText } from './storageHooks.ts';

/** Copies held: beyond either no more are taken until some are sent. */
export const heldMax = 32_768;
const heldBytesMax = 32 * 1024 * 1024;

interface Copy extends PackedEntity {
  /** No change older than this one is missing in state.db but in this copy. */
  readonly oldestStamp: number;
}

export class HeldCopies {
  readonly #held = new Map<string, Copy>();
  #sending = new Map<string, Copy>();
  /** Oldest stamps of copies that were thrown away; their entities will be taken again. */
  readonly #owed = new Map<string, number>();
  /** What the held copies take. */
  #heldBytes = 0;

  /** Copies that wait, those under way included. */
  get count(): number {
    return this.#held.size + this.#sending.size;
  }

  /** Takes up to `max` changed entities out of the memory. */
  take(memory: VelocityMemory, max: number): void {
    const room = Math.min(max, heldMax - this.#held.size);
    if (room <= 0 || this.#heldBytes > heldBytesMax) return;
    const { oldestBatch } = memory.dirty();
    for (const { key, bytes, batch } of memory.takeDirty(room, Number.POSITIVE_INFINITY)) {
      const text = keyText(key);
      const earlier = this.#held.get(text);
      const oldestStamp = Math.min(
        oldestBatch,
        earlier?.oldestStamp ?? oldestBatch,
        this.#owed.get(text) ?? oldestBatch,
      );
      this.#owed.delete(text);
      this.#heldBytes += bytes.length - (earlier?.bytes.length ?? 0);
      this.#held.set(text, { key, bytes, stamp: batch, oldestStamp });
    }
  }

  /** The newest copy of an entity that state.db may not have yet. */
  find(key: Uint8Array): Uint8Array | undefined {
    if (this.count === 0) return undefined;
    const text = keyText(key);
    return (this.#held.get(text) ?? this.#sending.get(text))?.bytes;
  }

  /** Forgets copies that hold something which will not be in the journal; their entities wait to be taken again. */
  discard(keys: readonly Uint8Array[]): void {
    for (const key of keys) {
      const text = keyText(key);
      const copy = this.#held.get(text);
      if (copy === undefined) continue;
      this.#held.delete(text);
      this.#heldBytes -= copy.bytes.length;
      this.#owed.set(text, Math.min(copy.oldestStamp, this.#owed.get(text) ?? copy.oldestStamp));
    }
  }

  /**
   * Up to `max` of the copies that may be stored: no stamp up to theirs is open. One `send` at a time, ended by `stored` or
   * `putBack`.
   */
  send(watermark: number, max: number): PackedEntity[] {
    for (const [text, copy] of this.#held) {
      if (this.#sending.size >= max) break;
      if (copy.stamp > watermark) continue;
      this.#held.delete(text);
      this.#heldBytes -= copy.bytes.length;
      this.#sending.set(text, copy);
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
      const newer = this.#held.get(text);
      if (newer === undefined) {
        this.#held.set(text, sent);
        this.#heldBytes += sent.bytes.length;
      } else this.#held.set(text, { ...newer, oldestStamp: Math.min(newer.oldestStamp, sent.oldestStamp) });
    }
    this.#sending = new Map();
  }

  /** The oldest stamp of a change that state.db lacks once everything sent is stored; Infinity when there is none here. */
  oldestStamp(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const copy of this.#held.values()) if (copy.oldestStamp < oldest) oldest = copy.oldestStamp;
    for (const stamp of this.#owed.values()) if (stamp < oldest) oldest = stamp;
    return oldest;
  }
}
