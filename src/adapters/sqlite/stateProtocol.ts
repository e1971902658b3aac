/** What the main thread and the thread of state.db say to each other; few messages, buffers are transferred. */
export interface StateThreadData {
  readonly dataDir: string;
}

/** Everything that one transaction stores. */
export interface Flush {
  readonly type: 'flush';
  /** hash, seq of recorded decisions, flat. */
  readonly ids: Float64Array;
  /** Entities: for each f64 stamp, u32 key bytes, u32 state bytes, key, state; unaligned. */
  readonly entities: Uint8Array;
  readonly entityCount: number;
  readonly meta: readonly (readonly [StateMeta, string])[];
}

export type ToState =
  | Flush
  /** Put every indexed id into the filter over this memory. */
  | { readonly type: 'fill'; readonly memory: SharedArrayBuffer }
  /** Put the key of every stored entity into the filter over this memory. */
  | { readonly type: 'fillKeys'; readonly memory: SharedArrayBuffer }
  /** Throws all entities away: their shape is not the one named, that of the live release. */
  | { readonly type: 'dropVelocity'; readonly fingerprint: string }
  | { readonly type: 'close' };

export type FromState =
  | { readonly type: 'done'; readonly tookMs: number }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'filled' }
  | { readonly type: 'keysFilled' }
  | { readonly type: 'closed' };

/**
 * `idsSeq`: the ids of every decision through this seq are indexed. `stamp`: every entity holds its changes through this
 * one, and `replayFromSeq`: every journal row with a larger stamp has this seq or a larger one. `lastStamp`: no
 * stored entity has a larger one. `fingerprint`: the shape of the entities' bytes. `clean`: `1` after a clean stop.
 */
export type StateMeta = 'idsSeq' | 'stamp' | 'replayFromSeq' | 'lastStamp' | 'fingerprint' | 'clean';

const entityHeadBytes = 16;

export interface PackedEntity {
  readonly stamp: number;
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

export function packEntities(entities: readonly PackedEntity[]): Uint8Array<ArrayBuffer> {
  let total = 0;
  for (const { key, bytes } of entities) total += entityHeadBytes + key.length + bytes.length;
  const packed = new Uint8Array(total);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { stamp, key, bytes } of entities) {
    view.setFloat64(at, stamp, true);
    view.setUint32(at + 8, key.length, true);
    view.setUint32(at + 12, bytes.length, true);
    packed.set(key, at + entityHeadBytes);
    packed.set(bytes, at + entityHeadBytes + key.length);
    at += entityHeadBytes + key.length + bytes.length;
  }
  return packed;
}

export function unpackEntities(packed: Uint8Array): PackedEntity[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const entities: PackedEntity[] = [];
  for (let at = 0; at < packed.length; ) {
    const keyAt = at + entityHeadBytes;
    const bytesAt = keyAt + view.getUint32(at + 8, true);
    const end = bytesAt + view.getUint32(at + 12, true);
    const stamp = view.getFloat64(at, true);
    entities.push({ stamp, key: packed.subarray(keyAt, bytesAt), bytes: packed.subarray(bytesAt, end) });
    at = end;
  }
  return entities;
}
