/** Hashes that end up in state bytes: they must never change, so they are ours and small. */
const factor1 = 0xcc9e2d51;
const factor2 = 0x1b873593;

/** Mixes all bits of a 32-bit integer (the finaliser of MurmurHash3). */
export function mix32(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** MurmurHash3 (32 bits) over UTF-16 code units, two at a time; a signed 32-bit integer. */
export function hashText(text: string): number {
  const { length } = text;
  let h = 0;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    let k = Math.imul(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16), factor1);
    k = Math.imul((k << 15) | (k >>> 17), factor2);
    h ^= k;
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (i < length) {
    const k = Math.imul(text.charCodeAt(i), factor1);
    h ^= Math.imul((k << 15) | (k >>> 17), factor2);
  }
  return mix32(h ^ length);
}

/** 16 hexadecimal digits that name a shape; not for secrets. */
export function fingerprintText(text: string): string {
  const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
  return hex(hashText(text)) + hex(hashText(`${text.length}\n${text}\nholdfast`));
}
