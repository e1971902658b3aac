/** Which partition a key belongs to: as Kafka's own clients say, and kafkajs, which does its arithmetic on objects. */

const seed = 0x9747b28c;
const mixer = 0x5bd1e995;

/** MurmurHash2 as Kafka has it, 32 bits, signed. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = seed ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    word = Math.imul(word, mixer);
    word = Math.imul(word ^ (word >>> 24), mixer);
    hash = Math.imul(hash, mixer) ^ word;
  }
  const left = length - at;
  if (left > 0) {
    for (let i = left - 1; i >= 0; i--) hash ^= (bytes[at + i] as number) << (8 * i);
    hash = Math.imul(hash, mixer);
  }
  hash = Math.imul(hash ^ (hash >>> 13), mixer);
  return hash ^ (hash >>> 15);
}

interface Partitioned {
  readonly partitionMetadata: readonly unknown[];
  readonly message: { readonly key?: Buffer | string | null };
}

/** For messages that have a key, as all of Holdfast's do. */
export function createKeyPartitioner(): (of: Partitioned) => number {
  return ({ partitionMetadata, message }) => {
    const { key } = message;
    return (
      (murmur2(typeof key === 'string' ? Buffer.from(key) : (key ?? Buffer.alloc(0))) & 0x7fffffff) %
      partitionMetadata.length
    );
  };
}
