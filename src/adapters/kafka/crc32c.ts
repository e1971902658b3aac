/** CRC-32C (Castagnoli), which Kafka's record batches carry; eight bytes a step, since Node has it for other polynomials only. */

const polynomial = 0x82f63b78;
const bytesPerStep = 8;

/** `tables[k * 256 + b]`: what byte `b` does to the checksum when `k` bytes follow it. */
const tables = ((): Int32Array => {
  const made = new Int32Array(bytesPerStep * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
    made[byte] = crc;
  }
  for (let at = 256; at < made.length; at++) {
    const before = made[at - 256] as number;
    made[at] = (before >>> 8) ^ (made[before & 0xff] as number);
  }
  return made;
})();

/** The checksum of `bytes` from `from` to `to`, unsigned. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  const t = tables;
  let crc = -1;
  let at = from;
  // Within bounds by the loops' conditions: an undefined would count as 0.
  for (const stepsEnd = to - (bytesPerStep - 1); at < stepsEnd; at += bytesPerStep) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    crc =
      (t[1792 + (crc & 0xff)] as number) ^
      (t[1536 + ((crc >>> 8) & 0xff)] as number) ^
      (t[1280 + ((crc >>> 16) & 0xff)] as number) ^
      (t[1024 + (crc >>> 24)] as number) ^
      (t[768 + (bytes[at + 4] as number)] as number) ^
      (t[512 + (bytes[at + 5] as number)] as number) ^
      (t[256 + (bytes[at + 6] as number)] as number) ^
      (t[bytes[at + 7] as number] as number);
  }
  for (; at < to; at++) crc = (t[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
