/** Hashes that end up in state bytes: they must never change, so they are ours and small. */
const fnvOffset = 0x811c9dc5 | 0;
const fnvPrime = 0x01000193;

/** Mixes all bits of a 32-bit integer (the finaliser of MurmurHash3). */
export function mix32(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** FNV-1a over UTF-16 code units with a final mix; a signed 32-bit integer. */
export function hashText(text: string): number {
  let h = fnvOffset;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), fnvPrime);
  return mix32(h ^ text.length);
}

/** 16 hexadecimal digits that name a shape; not for secrets. */
export function fingerprintText(text: string): string {
  const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
  return hex(hashText(text)) + hex(hashText(`${text.length}\n${text}\nholdfast`));
}
