/** Readers of field values from a JSON tree, for the thorough path. Each answers the value, or a `Fault` that says why not. */
import { idCharactersMax } from './bounds.ts';
import type { JsonNode } from './jsonTree.ts';
import { panDigitsMax, panDigitsMin, passesLuhn } from './luhn.ts';
import { isPan } from './pan.ts';
import type { FieldProblemCode } from './refusal.ts';
import { parseTimestamp } from './timestamp.ts';

/** Why a value was not taken. A class, so that it cannot be mistaken for a value. */
export class Fault {
  readonly code: FieldProblemCode;
  readonly message: string;

  constructor(code: FieldProblemCode, message: string) {
    this.code = code;
    this.message = message;
  }
}

const controlCharacter = /\p{Cc}/u;
const cardNumber = new Fault(
  'card_number',
  'This passes as a card number. Send a token; if it is no card number, put letters before the digits.',
);
const timeFaults = {
  time_format: 'Must be an RFC 3339 timestamp of a day that exists, such as 2026-11-22T10:00:00.000Z.',
  time_zone_missing: 'Must have a zone: Z or an offset such as +01:00.',
  time_too_fine: 'Must not be finer than a millisecond: at most three digits after the seconds.',
  time_leap_second: 'Must not be a leap second.',
} as const;

function wrongType(expected: string, node: JsonNode): Fault {
  const hint = node.kind === 'null' ? ' Leave the field out instead of sending null.' : '';
  return new Fault('wrong_type', `Must be ${expected}.${hint}`);
}

/** An identifier: 1 to 128 characters, no control characters, no card number. */
export function readId(node: JsonNode): string | Fault {
  if (node.kind !== 'string') return wrongType('a string', node);
  const fault = textFault(node.value, idCharactersMax);
  if (fault !== undefined) return fault;
  if (node.value === '') return new Fault('too_short', 'Must not be empty.');
  if (controlCharacter.test(node.value)) return new Fault('control_character', 'Must not hold control characters.');
  return isPan(node.value) ? cardNumber : node.value;
}

/** Characters are counted as Unicode code points. */
export function textFault(text: string, charactersMax: number): Fault | undefined {
  // Each code point is one or two UTF-16 units.
  const tooLong =
    text.length > charactersMax && (text.length > 2 * charactersMax || Array.from(text).length > charactersMax);
  return tooLong ? new Fault('too_long', `Must have at most ${charactersMax} characters.`) : undefined;
}

export { cardNumber, controlCharacter };

/** An integer 0 … max, written as one: `100.0` is more often a major unit sent by mistake than a hundred minor ones. */
export function readInteger(node: JsonNode, max: number): number | Fault {
  if (node.kind !== 'number') return wrongType('an integer, as a JSON number', node);
  if (!/^-?\d+$/.test(node.source)) {
    return new Fault('not_an_integer', 'Must be an integer, without decimal point or exponent.');
  }
  const inside = node.value >= 0 && node.value <= max && !node.source.startsWith('-');
  return inside ? node.value : new Fault('out_of_range', `Must be from 0 to ${max}.`);
}

export interface TimeBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Milliseconds since the Unix epoch. */
export function readTime(node: JsonNode, bounds: TimeBounds): number | Fault {
  if (node.kind !== 'string') return wrongType('an RFC 3339 timestamp, as a string', node);
  const ms = parseTimestamp(node.value);
  if (typeof ms === 'string') return new Fault(ms, timeFaults[ms]);
  if (ms < bounds.minMs) return new Fault('time_too_old', 'Must not be before the year 2000.');
  return ms <= bounds.maxMs ? ms : new Fault('time_ahead', 'Must be at most 5 minutes ahead of the server’s clock.');
}

/** One of a closed set of texts; `expected` describes the set in the message. */
export function readOneOf<T extends string>(
  node: JsonNode,
  values: ReadonlyMap<string, T>,
  expected: string,
): T | Fault {
  if (node.kind !== 'string') return wrongType(expected, node);
  return values.get(node.value) ?? new Fault('unknown_value', `Must be ${expected}.`);
}

/** The text as it was, when `canonical` knows it. */
export function readText(
  node: JsonNode,
  canonical: (text: string) => string | undefined,
  code: FieldProblemCode,
  expected: string,
): string | Fault {
  if (node.kind !== 'string') return wrongType(expected, node);
  return canonical(node.value) ?? new Fault(code, `Must be ${expected}.`);
}

/** Any finite number that is no card number. */
export function readNumber(node: JsonNode & { kind: 'number' }): number | Fault {
  if (!Number.isFinite(node.value)) return new Fault('out_of_range', 'Must be a finite number.');
  const digits = integerDigits(node);
  const isCard = digits.length >= panDigitsMin && digits.length <= panDigitsMax && passesLuhn(digits);
  return isCard ? cardNumber : node.value;
}

/** The digits of an integer as it was written, or else as it is valued; '' for other numbers. */
function integerDigits(node: { readonly value: number; readonly source: string }): string {
  const written = /^-?(\d+)(?:\.0+)?$/.exec(node.source)?.[1];
  if (written !== undefined) return written;
  return Number.isInteger(node.value) ? String(BigInt(Math.abs(node.value))) : '';
}
