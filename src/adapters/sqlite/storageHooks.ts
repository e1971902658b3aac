/** What the memory is made with (VelocityMemoryOptions has the same). */
export interface StorageHooks {
  /** The stored state of an entity that the memory does not hold. */
  readonly loadMissing: (key: Uint8Array) => Uint8Array | undefined;
  /** It starts empty: any entity may be stored. */
  readonly storedElsewhere: true;
}

/** Keys as map keys: one character a byte. */
export const keyText = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
