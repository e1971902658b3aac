/**
 * A JSON text as a tree that keeps what JSON.parse throws away: every key of an object (also repeated ones) and the
 * spelling of every number. For the thorough path: correct first, fast second.
 */
import { jsonDepthMax } from './bounds.ts';
import { forbiddenKeys } from './forbiddenKeys.ts';
import type { FieldProblemCode, Problems } from './refusal.ts';
import { pointerTo } from './refusal.ts';

export type JsonNode =
  | { readonly kind: 'object'; readonly members: ReadonlyMap<string, JsonNode> }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number; readonly source: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' };

/** UTF-8 as RFC 8259 wants it: invalid sequences are an error, a byte order mark is kept (and then is not JSON). */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of the bytes, or undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Where the text stops being JSON (a character index, -1 when not known), or undefined when all of it is JSON.
 * JSON.parse decides; its message is not passed on, because it quotes the text.
 */
export function jsonFault(text: string): number | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
    return position === undefined ? -1 : Number(position);
  }
}

/**
 * The tree of a text that is known to be JSON. Repeated and forbidden keys, lone surrogates and too deep nesting are
 * added to `problems`; of repeated keys the first counts. Undefined only after `too_deep`.
 */
export function jsonTree(text: string, problems: Problems): JsonNode | undefined {
  const reader = new TreeReader(text, problems);
  return reader.value();
}

const space = 32;
const stringToken = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const otherToken = /[^\s,\]}]+/y;

function unescape(token: string): string {
  const value: unknown = JSON.parse(token);
  if (typeof value !== 'string') throw new Error('a string token did not hold a string');
  return value;
}

class TreeReader {
  readonly #text: string;
  readonly #problems: Problems;
  /** Keys and indices from the root to where we read. */
  readonly #path: string[] = [];
  #at = 0;

  constructor(text: string, problems: Problems) {
    this.#text = text;
    this.#problems = problems;
  }

  value(): JsonNode | undefined {
    if (this.#path.length > jsonDepthMax) {
      this.#problems.add('', 'too_deep', `Nest at most ${jsonDepthMax} levels.`);
      return undefined;
    }
    this.#blanks();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object();
    if (first === '[') return this.#array();
    if (first === '"') return { kind: 'string', value: this.#string() };
    const token = this.#take(otherToken);
    if (token === 'null') return { kind: 'null' };
    if (token === 'true' || token === 'false') return { kind: 'boolean', value: token === 'true' };
    return { kind: 'number', value: Number(token), source: token };
  }

  /** The value that belongs to `key`, which is part of the path while it is read. */
  #child(key: string): JsonNode | undefined {
    this.#path.push(key);
    const node = this.value();
    this.#path.pop();
    return node;
  }

  #object(): JsonNode | undefined {
    const members = new Map<string, JsonNode>();
    while (this.#separator() !== '}') {
      this.#blanks();
      const key = this.#string();
      this.#blanks();
      this.#at++;
      const value = this.#child(key);
      if (value === undefined) return undefined;
      if (forbiddenKeys.has(key)) this.#add('forbidden_key', 'This key is not allowed.', key);
      if (members.has(key)) this.#add('duplicate_key', 'This key comes twice.', key);
      else members.set(key, value);
    }
    return { kind: 'object', members };
  }

  #array(): JsonNode | undefined {
    const items: JsonNode[] = [];
    while (this.#separator() !== ']') {
      const value = this.#child(String(items.length));
      if (value === undefined) return undefined;
      items.push(value);
    }
    return { kind: 'array', items };
  }

  /** Pointers are made only where something is wrong: a hostile text has thousands of keys. */
  #add(code: FieldProblemCode, message: string, ...below: readonly string[]): void {
    if (!this.#problems.full) this.#problems.add([...this.#path, ...below].reduce(pointerTo, ''), code, message);
  }

  /** Steps over an opening bracket or a comma; a closing bracket that follows is stepped over and answered. */
  #separator(): string | undefined {
    this.#blanks();
    const closed = this.#closing();
    if (closed !== undefined) return closed;
    this.#at++;
    this.#blanks();
    return this.#closing();
  }

  #closing(): string | undefined {
    const character = this.#text[this.#at];
    if (character !== '}' && character !== ']') return undefined;
    this.#at++;
    return character;
  }

  #string(): string {
    const token = this.#take(stringToken);
    const value = token.includes('\\') ? unescape(token) : token.slice(1, -1);
    if (!value.isWellFormed()) this.#add('lone_surrogate', 'A text holds half of a surrogate pair.');
    return value;
  }

  /** JSON's white space is all that a well-formed text has here of characters up to the space. */
  #blanks(): void {
    while (this.#text.charCodeAt(this.#at) <= space) this.#at++;
  }

  #take(token: RegExp): string {
    token.lastIndex = this.#at;
    const taken = token.exec(this.#text)?.[0] ?? '';
    this.#at += taken.length;
    return taken;
  }
}
