/** JSON's tokens in bytes. Each function answers the index behind the token that begins where it is told, or -1 where there is none. */
const quote = 34;
const backslash = 92;
const letterU = 117;

/** @param first the byte behind the opening quote. */
export function stringEnd(bytes: Uint8Array, first: number): number {
  for (let i = first; i < bytes.length; ) {
    const byte = bytes[i++] as number;
    if (byte === quote) return i;
    if (byte < 32) return -1;
    if (byte !== backslash) continue;
    i = escapeEnd(bytes, i);
    if (i < 0) return -1;
  }
  return -1;
}

const escapes: ReadonlySet<number | undefined> = new Set(Buffer.from('"\\/bfnrt'));

/** @param first the byte behind the backslash. */
function escapeEnd(bytes: Uint8Array, first: number): number {
  if (bytes[first] !== letterU) return escapes.has(bytes[first]) ? first + 1 : -1;
  for (let i = first + 1; i < first + 5; i++) if (!isHexDigit(bytes[i])) return -1;
  return first + 5;
}

function isHexDigit(byte = 0): boolean {
  const lower = byte | 32;
  return (byte >= 48 && byte <= 57) || (lower >= 97 && lower <= 102);
}

const words = ['true', 'false', 'null'].map((word) => Buffer.from(word));

export function wordEnd(bytes: Uint8Array, first: number): number {
  const word = words.find((each) => each.every((byte, i) => bytes[first + i] === byte));
  return word === undefined ? -1 : first + word.length;
}

export function numberEnd(bytes: Uint8Array, start: number): number {
  const first = bytes[start] === 45 ? start + 1 : start;
  let i = digitsEnd(bytes, first);
  if (i === first || (bytes[first] === 48 && i > first + 1)) return -1;
  if (bytes[i] === 46) {
    const end = digitsEnd(bytes, i + 1);
    if (end === i + 1) return -1;
    i = end;
  }
  if (bytes[i] !== 101 && bytes[i] !== 69) return i;
  const sign = bytes[++i];
  if (sign === 43 || sign === 45) i++;
  const end = digitsEnd(bytes, i);
  return end === i ? -1 : end;
}

function digitsEnd(bytes: Uint8Array, first: number): number {
  let i = first;
  while ((bytes[i] ?? 0) >= 48 && (bytes[i] ?? 0) <= 57) i++;
  return i;
}
