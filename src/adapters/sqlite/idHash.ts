/**
 * 52-bit keyed hash of (tenant, payment id): HalfSipHash-2-4 over UTF-16 code units. Keyed by a random number of the data
 * directory, so that nobody outside can make ids that collide; 52 bits, so that it is a safe integer and an SQLite rowid.
 */
export type IdHash = (tenantId: string, paymentId: string) => number;

/** @param key 16 hexadecimal digits. */
export function createIdHash(key: string): IdHash {
  if (!/^[0-9a-f]{16}$/.test(key)) throw new Error('the id hash key is not 16 hexadecimal digits');
  const k0 = Number.parseInt(key.slice(0, 8), 16) | 0;
  const k1 = Number.parseInt(key.slice(8), 16) | 0;
  let v0 = 0;
  let v1 = 0;
  let v2 = 0;
  let v3 = 0;

  function round(): void {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }

  function absorb(word: number): void {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }

  function absorbText(text: string): void {
    const length = text.length;
    const even = length & ~1;
    for (let i = 0; i < even; i += 2) absorb(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
    // The length closes each text, so that no two pairs of texts absorb the same words.
    absorb((even === length ? 0 : text.charCodeAt(even)) | (length << 16));
  }

  return (tenantId, paymentId) => {
    v0 = k0;
    v1 = k1 ^ 0xee;
    v2 = 0x6c796765 ^ k0;
    v3 = 0x74656462 ^ k1;
    absorbText(tenantId);
    absorbText(paymentId);
    v2 ^= 0xee;
    round();
    round();
    round();
    round();
    const low = (v1 ^ v3) >>> 0;
    v1 ^= 0xdd;
    round();
    round();
    round();
    round();
    return ((v1 ^ v3) >>> 12) * 0x100000000 + low;
  };
}
