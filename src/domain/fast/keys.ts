/** Recognises the payment's field names in the scratch buffer, four bytes at a time. */
import { paymentFieldNames } from '../paymentFields.ts';
import { scratch } from './scratch.ts';

const bytes = scratch;
const view = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);

/** Field numbers, in the order of `paymentFieldNames`: the bit of each in the set of fields seen. */
export const paymentIdField = 0;
export const occurredAtField = 1;
export const amountMinorField = 2;
export const currencyField = 3;
export const customerIdField = 4;
export const accountIdField = 5;
export const counterpartyAccountIdField = 6;
export const merchantIdField = 7;
export const terminalIdField = 8;
export const cardIdField = 9;
const deviceIdField = 10;
export const ipAddressField = 11;
export const channelField = 12;
export const merchantCategoryCodeField = 13;
export const countryField = 14;
export const attributesField = 15;

/** Words of `NAME":`, the longest name's included; the unused bytes of the last one are masked out. */
const wordsPerKey = 6;
const words = new Int32Array(paymentFieldNames.length * wordsPerKey);
const masks = new Int32Array(paymentFieldNames.length * wordsPerKey);
const lengths = new Int32Array(paymentFieldNames.length);

for (const [field, name] of paymentFieldNames.entries()) {
  const key = `${name}":`;
  lengths[field] = key.length;
  for (let i = 0; i < key.length; i++) {
    const word = field * wordsPerKey + (i >> 2);
    const shift = (i & 3) * 8;
    words[word] = (words[word] as number) | (key.charCodeAt(i) << shift);
    masks[word] = (masks[word] as number) | (255 << shift);
  }
}

/** The field whose name, closing quote and colon stand at `i`, or -1. */
export function fieldAt(i: number): number {
  const field = candidateAt(i);
  if (field < 0) return -1;
  const end = i + (lengths[field] as number);
  let word = field * wordsPerKey;
  for (let at = i; at < end; at += 4, word++) {
    if (((view.getInt32(at, true) ^ (words[word] as number)) & (masks[word] as number)) !== 0) return -1;
  }
  return field;
}

/** Bytes of the field's name with closing quote and colon. */
export function keyLength(field: number): number {
  return lengths[field] as number;
}

/** The only field whose name can stand at `i`, judged by one to three of its letters. */
function candidateAt(i: number): number {
  switch (bytes[i]) {
    case 112:
      return paymentIdField;
    case 111:
      return occurredAtField;
    case 97:
      return candidateOfA(bytes[i + 1] as number);
    case 99:
      return candidateOfC(i);
    case 109:
      return bytes[i + 8] === 73 ? merchantIdField : merchantCategoryCodeField;
    case 116:
      return terminalIdField;
    case 100:
      return deviceIdField;
    case 105:
      return ipAddressField;
    default:
      return -1;
  }
}

function candidateOfA(second: number): number {
  if (second === 109) return amountMinorField;
  return second === 99 ? accountIdField : attributesField;
}

function candidateOfC(i: number): number {
  switch (bytes[i + 1]) {
    case 117:
      return bytes[i + 2] === 115 ? customerIdField : currencyField;
    case 97:
      return cardIdField;
    case 104:
      return channelField;
    case 111:
      return bytes[i + 4] === 116 && bytes[i + 5] === 114 ? countryField : counterpartyAccountIdField;
    default:
      return -1;
  }
}
