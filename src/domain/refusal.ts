import { problemsMax } from './bounds.ts';
import type { ErrorCode } from './errors.ts';
import { holdsPan } from './pan.ts';

/** One thing wrong with one field: `pointer` is an RFC 6901 JSON pointer, `''` for the whole document. */
export interface FieldProblem {
  readonly pointer: string;
  readonly code: FieldProblemCode;
  /** A sentence for the sender. Never holds a value that was sent. */
  readonly message: string;
}

/** Why a document was not taken; nothing of it was used. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly fields: readonly FieldProblem[];
}

/** Tells a refusal from what was decoded: nothing that we decode has a list `fields`. */
export function isRefusal(value: object): value is Refusal {
  return 'fields' in value && 'code' in value;
}

/** Everything that can be wrong with a field, and what it means. docs/errors.md lists them. */
export const fieldProblems = {
  malformed: 'The text is not JSON, or not UTF-8.',
  required: 'A required field is missing.',
  unknown_field: 'The field is not part of this document.',
  duplicate_key: 'The same key comes twice in one object.',
  forbidden_key: 'The key is one of `__proto__`, `constructor`, `prototype`.',
  lone_surrogate: 'A text holds half of a UTF-16 surrogate pair, which is no character.',
  too_deep: 'Objects or arrays are nested deeper than the document can need.',
  wrong_type: 'The value has another JSON type than the field.',
  too_short: 'The text is empty.',
  too_long: 'The text has more characters than the field holds.',
  control_character: 'An identifier holds a control character.',
  card_number: 'The value passes as a payment card number (13–19 digits, Luhn). Send a token instead.',
  not_an_integer: 'The number is written with a fraction or an exponent where an integer is due.',
  out_of_range: 'The number is outside the range of the field, or not finite.',
  time_format: 'The text is not an RFC 3339 timestamp of a day that exists.',
  time_zone_missing: 'The timestamp has no zone: add `Z` or an offset.',
  time_too_fine: 'The timestamp is finer than a millisecond.',
  time_leap_second: 'The timestamp is a leap second (`:60`), which Unix time cannot hold.',
  time_ahead: 'The timestamp is further ahead of the server’s clock than allowed.',
  time_too_old: 'The timestamp is before the year 2000.',
  unknown_value: 'The value is not one of those the field knows.',
  ip_address_format: 'The text is neither an IPv4 nor an IPv6 address.',
  category_code_format: 'The text is not four digits.',
  too_many: 'There are more entries than allowed.',
  more_problems: 'More is wrong than one answer lists.',
} as const;
export type FieldProblemCode = keyof typeof fieldProblems;

/** Collects what is wrong, up to `problemsMax` and one more entry that says there was more. */
export class Problems {
  readonly list: FieldProblem[] = [];
  /** Nothing of the document can be read. */
  fatal = false;

  /** Further problems would not be listed: no need to look for them. */
  get full(): boolean {
    return this.list.length > problemsMax;
  }

  add(pointer: string, code: FieldProblemCode, message: string): void {
    if (this.list.length < problemsMax) this.list.push({ pointer, code, message });
    else if (this.list.length === problemsMax) {
      this.list.push({ pointer: '', code: 'more_problems', message: 'More is wrong; correct these first.' });
    }
  }
}

/** Characters of a key shown in a pointer: keys that we do not know can be anything, also somebody's data. */
const keyCharactersShown = 64;

/** Characters in which a card number is looked for: those shown, and the rest of a number that begins among them. */
const keyCharactersSearched = 128;

/** `parent` with one more RFC 6901 reference token. A key that is a card number is not repeated. */
export function pointerTo(parent: string, key: string): string {
  return `${parent}/${showKey(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** A sender's key as it may be shown. */
export function showKey(key: string): string {
  if (holdsPan(key.slice(0, keyCharactersSearched))) return '(hidden)';
  const wellFormed = key.toWellFormed();
  return wellFormed.length <= keyCharactersShown
    ? wellFormed
    : `${Array.from(wellFormed).slice(0, keyCharactersShown).join('')}…`;
}
