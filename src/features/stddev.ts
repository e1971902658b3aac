/**
 * Population standard deviation from exact integer moments: √(n·Q − S²) / n, with Q = Σ amount² and S = Σ amount.
 * n·Q and S² nearly cancel where amounts are nearly equal, so they are taken as unevaluated sums of two doubles
 * (Dekker's product, Knuth's sum), about 2⁻¹⁰⁴ of S²; where even that is too coarse, with BigInt.
 */
const two32 = 4294967296;
const splitter = 134217729; // 2²⁷ + 1

let errorTerm = 0;
function product(a: number, b: number): number {
  const p = a * b;
  const aBig = splitter * a;
  const aHigh = aBig - (aBig - a);
  const aLow = a - aHigh;
  const bBig = splitter * b;
  const bHigh = bBig - (bBig - b);
  const bLow = b - bHigh;
  errorTerm = aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
  return p;
}

let high = 0;
let low = 0;
function add(term: number): void {
  const sum = high + term;
  const back = sum - high;
  low += high - (sum - back) + (term - back);
  high = sum;
}

/** Below this share of S² the two-double difference may have lost the nine digits that are promised. */
const trustedShare = 2 ** -70;

export function standardDeviation(n: number, sum: number, squaresLow: number, squaresHigh: number): number {
  if (n < 2) return 0;
  high = 0;
  low = 0;
  add(product(n, squaresHigh) * two32);
  low += errorTerm * two32;
  add(-product(sum, sum));
  low -= errorTerm;
  add(product(n, squaresLow));
  low += errorTerm;
  const difference = high + low;
  if (difference > trustedShare * sum * sum) return Math.sqrt(difference) / n;
  const squares = BigInt(squaresHigh) * BigInt(two32) + BigInt(squaresLow);
  return Math.sqrt(Number(BigInt(n) * squares - BigInt(sum) * BigInt(sum))) / n;
}
