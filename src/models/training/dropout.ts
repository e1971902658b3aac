/** Seeded dropout: masks of 0 and 1 ÷ (1 − share), so that the expected activation stays what it is. */
const levels = 256;

/** Eight bits a unit are enough for a share, and four units a random number: the masks are half of a step's randomness. */
export function dropoutMasks(hidden: readonly number[], share: number, random: () => number) {
  const dropped = Math.round(share * levels);
  const kept = levels / (levels - dropped);
  return (rows: number): Float32Array[] => {
    if (dropped === 0) return [];
    return hidden.map((units) => {
      const mask = new Float32Array(rows * units);
      for (let at = 0; at < mask.length; at += 4) {
        let bits = Math.floor(random() * 4294967296);
        for (let i = at; i < at + 4 && i < mask.length; i++, bits >>>= 8) mask[i] = (bits & 255) < dropped ? 0 : kept;
      }
      return mask;
    });
  };
}
