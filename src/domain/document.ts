/** What decoding of any JSON document begins with: size, encoding, syntax, and an object with known fields. */
import type { ErrorCode } from './errors.ts';
import { forbiddenKeys } from './forbiddenKeys.ts';
import type { JsonNode } from './jsonTree.ts';
import { decodeUtf8, jsonFault, jsonTree } from './jsonTree.ts';
import type { Problems, Refusal } from './refusal.ts';
import { pointerTo, showKey } from './refusal.ts';

export interface SizeBound {
  readonly bytesMax: number;
  readonly tooLarge: ErrorCode;
}

const noMembers: ReadonlyMap<string, JsonNode> = new Map();

/**
 * The members of the object in `bytes`, or the refusal of what is no JSON at all. Whatever is wrong with the tree is
 * added to `problems`; when there is no object in it, there are no members and `problems.fatal` is set.
 */
export function readObject(
  bytes: Uint8Array,
  size: SizeBound,
  problems: Problems,
): ReadonlyMap<string, JsonNode> | Refusal {
  if (bytes.length > size.bytesMax) {
    return refuse(size.tooLarge, 'too_long', `Must have at most ${size.bytesMax} bytes.`);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return refuse('invalid_utf8', 'malformed', 'The bytes are not UTF-8.');
  const position = jsonFault(text);
  if (position !== undefined) {
    const where = position < 0 ? '' : ` from character ${position} on`;
    return refuse('malformed_json', 'malformed', `The text is not JSON${where}.`);
  }
  const root = jsonTree(text, problems);
  if (root?.kind === 'object') return root.members;
  problems.fatal = true;
  if (root !== undefined) problems.add('', 'wrong_type', 'Must be a JSON object.');
  return noMembers;
}

function refuse(code: ErrorCode, problem: 'too_long' | 'malformed', message: string): Refusal {
  return { code, fields: [{ pointer: '', code: problem, message }] };
}

/** Names every member that is not among `names`. */
export function addUnknownFields(
  members: ReadonlyMap<string, JsonNode>,
  names: readonly string[],
  document: string,
  problems: Problems,
): void {
  for (const name of members.keys()) {
    if (problems.full) return;
    // Forbidden keys are a problem already.
    if (names.includes(name) || forbiddenKeys.has(name)) continue;
    const message = `"${showKey(name)}" is not a field of a ${document}.${suggestion(name, names)}`;
    problems.add(pointerTo('', name), 'unknown_field', message);
  }
}

/** Longer names are not meant to be one of ours. */
const suggestionCharactersMax = 40;

/** `payment_id` and `PaymentID` are most likely meant to be `paymentId`. */
function suggestion(name: string, names: readonly string[]): string {
  if (name.length > suggestionCharactersMax) return '';
  const plain = name.replaceAll(/[^a-z]/gi, '').toLowerCase();
  const meant = names.find((known) => known.toLowerCase() === plain);
  return meant === undefined ? '' : ` Did you mean "${meant}"?`;
}
