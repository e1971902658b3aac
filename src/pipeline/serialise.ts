/** Small pieces of a decision's forms: JSON strings, and degraded stages as bits. */
import { degradedStages } from '../domain/decision.ts';
import type { DegradedStage } from '../domain/decision.ts';

/** Characters that JSON escapes or that are not one byte in UTF-8; most ids have none of them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes control characters.
const needsCare = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

/** A JSON string literal, quotes included. */
export function jsonString(text: string): string {
  return needsCare.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** Degraded stages as bits, in the order of `degradedStages`, so that a batch keeps them in a typed array. */
export function degradedBit(stage: DegradedStage): number {
  return 1 << degradedStages.indexOf(stage);
}
const none: readonly DegradedStage[] = [];

export function degradedOf(bits: number): readonly DegradedStage[] {
  return bits === 0 ? none : degradedStages.filter((_, i) => (bits >> i) & 1);
}
