/** Reads the `attributes` object of a payment from the scratch buffer. */
import { attributeNameCharactersMax, attributesMax, attributeTextCharactersMax } from '../bounds.ts';
import { holdsPan } from '../pan.ts';
import type { AttributeValue } from '../payment.ts';
import { nameAt, startNames } from './names.ts';
import { scratch } from './scratch.ts';
import { numberEnd, numberIn, skipBlanks, stringEnd } from './tokens.ts';
import { mayHoldPan } from './values.ts';

export type Attributes = Record<string, AttributeValue>;

const bytes = scratch;
const quote = 34;

/** Reads the object at `i` into `into`; the index behind it, or -1. `text` is the scratch buffer as a string. */
export function attributesAt(i: number, text: string, into: Attributes): number {
  if (bytes[i] !== 123) return -1;
  i = skipBlanks(i + 1);
  if (bytes[i] === 125) return i + 1;
  startNames();
  for (let count = 1; count <= attributesMax; count++) {
    if (bytes[i] !== quote) return -1;
    const end = stringEnd(i + 1);
    if (end < 0 || end - i - 1 > attributeNameCharactersMax) return -1;
    const name = nameAt(i + 1, end, text);
    i = end + 1;
    if (name === undefined || bytes[i] !== 58) return -1;
    i = valueAt(skipBlanks(i + 1), text, name, into);
    if (i < 0) return -1;
    i = skipBlanks(i);
    if (bytes[i] === 125) return i + 1;
    if (bytes[i] !== 44) return -1;
    i = skipBlanks(i + 1);
  }
  return -1;
}

function valueAt(i: number, text: string, name: string, into: Attributes): number {
  const byte = bytes[i];
  if (byte === quote) return textAt(i + 1, text, name, into);
  if (byte === 116) {
    into[name] = true;
    return bytes[i + 1] === 114 && bytes[i + 2] === 117 && bytes[i + 3] === 101 ? i + 4 : -1;
  }
  if (byte === 102) {
    into[name] = false;
    return bytes[i + 1] === 97 && bytes[i + 2] === 108 && bytes[i + 3] === 115 && bytes[i + 4] === 101 ? i + 5 : -1;
  }
  const end = numberEnd(i);
  if (end >= 0) into[name] = numberIn(i, end);
  return end;
}

function textAt(start: number, text: string, name: string, into: Attributes): number {
  const end = stringEnd(start);
  if (end < 0 || end - start > attributeTextCharactersMax) return -1;
  const value = text.slice(start, end);
  if (end - start >= 13 && mayHoldPan(start, end) && holdsPan(value)) return -1;
  into[name] = value;
  return end + 1;
}
