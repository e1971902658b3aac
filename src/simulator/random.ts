/**
 * The simulator's own random source: the same seed gives the same payments on every machine, for ever. xoshiro128** (Blackman and
 * Vigna, 2018) seeded by splitmix32. Transcendental functions come from V8's own fdlibm port, the same on every platform.
 */

/** splitmix32's finaliser: a well mixed 32-bit hash of a 32-bit number. */
function mix(value: number): number {
  let z = (value + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** A seed for one of many independent streams: `deriveSeed(seed, customers, 17)` never depends on how much others drew. */
export function deriveSeed(seed: number, ...path: readonly number[]): number {
  let hash = mix(seed);
  for (const step of path) hash = mix(hash ^ mix(step));
  return hash;
}

const rotateLeft = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spareNormal = Number.NaN;

  constructor(seed: number) {
    this.#a = deriveSeed(seed, 1);
    this.#b = deriveSeed(seed, 2);
    this.#c = deriveSeed(seed, 3);
    this.#d = deriveSeed(seed, 4) | 1;
  }

  /** An unsigned 32-bit integer. */
  #bits(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** Uniform in [0, 1), 53 bits. */
  fraction(): number {
    return ((this.#bits() >>> 5) * 67108864 + (this.#bits() >>> 6)) / 9007199254740992;
  }

  uniform(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** Uniform integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }

  /** Uniform integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('pick from an empty list');
    return item;
  }

  /** Box–Muller, both halves used. */
  normal(mean: number, deviation: number): number {
    if (!Number.isNaN(this.#spareNormal)) {
      const spare = this.#spareNormal;
      this.#spareNormal = Number.NaN;
      return mean + deviation * spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.fraction()));
    const angle = 2 * Math.PI * this.fraction();
    this.#spareNormal = radius * Math.sin(angle);
    return mean + deviation * radius * Math.cos(angle);
  }

  /** Knuth's multiplication method; for means up to a few hundred. */
  poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.fraction(); product > limit; product *= this.fraction()) count += 1;
    return count;
  }
}
