interface Latin1 {
  latin1Slice(start: number, end: number): string;
}
function hasLatin1(buffer: Buffer): buffer is Buffer & Latin1 {
  return 'latin1Slice' in buffer;
}

/**
 * The first `length` bytes as a string, one character a byte. Node's `latin1Slice` is what `toString('latin1')` calls
 * after its argument checks, which would cost a quarter more on short texts.
 */
export function latin1Text(bytes: Buffer, length: number): string {
  return hasLatin1(bytes) ? bytes.latin1Slice(0, length) : bytes.toString('latin1', 0, length);
}
