import type { Payment } from '../domain/payment.ts';
import { hashText } from './hash.ts';

/** The payment fields that can name an entity or be counted as distinct, by the alias used in feature names. */
export const fieldAliases = [
  'customer',
  'account',
  'counterpartyAccount',
  'merchant',
  'terminal',
  'card',
  'device',
  'ip',
  'country',
  'merchantCategoryCode',
  'currency',
  'channel',
] as const;
export type FieldAlias = (typeof fieldAliases)[number];
export type FieldCode = number;
export const fieldCount = fieldAliases.length;
/** The first so many aliases are identifiers, and only those can be entities. */
const entityAliasCount = 8;
export const entityAliases: readonly FieldAlias[] = fieldAliases.slice(0, entityAliasCount);

export function fieldCode(alias: string): FieldCode | undefined {
  const code = (fieldAliases as readonly string[]).indexOf(alias);
  return code < 0 ? undefined : code;
}

/** A switch, not a property name: every access stays monomorphic. */
export function fieldValue(payment: Payment, code: FieldCode): string | undefined {
  switch (code) {
    case 0:
      return payment.customerId;
    case 1:
      return payment.accountId;
    case 2:
      return payment.counterpartyAccountId;
    case 3:
      return payment.merchantId;
    case 4:
      return payment.terminalId;
    case 5:
      return payment.cardId;
    case 6:
      return payment.deviceId;
    case 7:
      return payment.ipAddress;
    case 8:
      return payment.country;
    case 9:
      return payment.merchantCategoryCode;
    case 10:
      return payment.currency;
    default:
      return payment.channel;
  }
}

/** Bytes of a field's value in a record: short codes are held exactly in two, identifiers as a 32-bit hash in four. */
export function columnBytes(code: FieldCode): 2 | 4 {
  return code < entityAliasCount ? 4 : 2;
}

const asciiUpperA = 65;
const asciiZero = 48;
const digitCodes = 30_000;
const otherCodes = 45_000;
const codeMax = 0xffff;

function otherCode(value: string): number {
  return otherCodes + ((hashText(value) >>> 0) % (codeMax - otherCodes));
}

/** 1 … 65,535, different for different codes of two or three capitals or of four digits. */
function shortCode(value: string): number {
  const { length } = value;
  if (length < 2 || length > 4) return otherCode(value);
  const low = length === 4 ? asciiZero : asciiUpperA;
  const base = length === 4 ? 10 : 26;
  let code = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - low;
    if (digit < 0 || digit >= base) return otherCode(value);
    // Letters count from 1, so that codes of two and of three letters differ.
    code = length === 4 ? code * base + digit : code * (base + 1) + digit + 1;
  }
  return length === 4 ? digitCodes + code : code;
}

/** The value as records hold it, never 0 (0 is "no value"). Same value, same code, on every machine and for ever. */
export function columnCode(code: FieldCode, value: string): number {
  return columnBytes(code) === 4 ? hashText(value) || 1 : shortCode(value);
}
