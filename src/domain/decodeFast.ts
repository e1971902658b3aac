/**
 * The fast path of decoding: one scan over the bytes of a payment as nearly every client sends it (plain ASCII, no
 * escapes, every field valid) straight into a `Payment`. Whatever is unusual, valid or not, is left to the thorough path
 * by answering undefined; the half-filled payment is then dropped.
 */
import { aheadMsMax, amountMinorMax, idCharactersMax, occurredAtMsMin, paymentBytesMax } from './bounds.ts';
import type { Attributes } from './fast/attributes.ts';
import { attributesAt } from './fast/attributes.ts';
import * as keys from './fast/keys.ts';
import { fillScratch, scratch, scratchText } from './fast/scratch.ts';
import { skipBlanks, stringEnd } from './fast/tokens.ts';
import { categoryCodeAt, channelAt, countryAt, currencyAt, isIpv4At, mayBePan, timestampAt } from './fast/values.ts';
import { canonicalIpAddress } from './ipAddress.ts';
import { isPan } from './pan.ts';
import { Payment } from './payment.ts';
import { requiredFieldCount } from './paymentFields.ts';

const bytes = scratch;
const quote = 34;
const comma = 44;
const openBrace = 123;
const closeBrace = 125;
const requiredSet = (1 << requiredFieldCount) - 1;
const amountDigitsMax = 16;

/** @param nowMs our clock, Unix epoch; `occurredAt` may be at most `aheadMsMax` ahead of it. */
export function decodeFast(input: Uint8Array, nowMs: number): Payment | undefined {
  const length = input.length;
  if (length > paymentBytesMax) return undefined;
  fillScratch(input);
  const text = scratchText(length);
  const payment = new Payment();
  let seen = 0;
  let i = skipBlanks(0);
  if (bytes[i] !== openBrace) return undefined;
  do {
    i = skipBlanks(i + 1);
    if (bytes[i] !== quote) return undefined;
    const field = keys.fieldAt(i + 1);
    if (field < 0 || (seen & (1 << field)) !== 0) return undefined;
    seen |= 1 << field;
    i = valueAt(field, skipBlanks(i + 1 + keys.keyLength(field)), text, nowMs, payment);
    if (i < 0) return undefined;
    i = skipBlanks(i);
  } while (bytes[i] === comma);
  const complete = bytes[i] === closeBrace && (seen & requiredSet) === requiredSet && skipBlanks(i + 1) === length;
  return complete ? payment : undefined;
}

/** Reads the value of `field` at `i` into the payment; the index behind it, or -1. */
function valueAt(field: number, i: number, text: string, nowMs: number, into: Payment): number {
  if (bytes[i] === quote) {
    const end = stringEnd(i + 1);
    return end > 0 && readText(field, i + 1, end, text, nowMs, into) ? end + 1 : -1;
  }
  if (field === keys.amountMinorField) return readAmount(i, into);
  if (field !== keys.attributesField) return -1;
  const attributes: Attributes = {};
  into.attributes = attributes;
  return attributesAt(i, text, attributes);
}

function readAmount(first: number, into: Payment): number {
  let i = first;
  let amount = 0;
  let digit = (bytes[i] as number) - 48;
  while (digit >= 0 && digit <= 9) {
    amount = amount * 10 + digit;
    digit = (bytes[++i] as number) - 48;
  }
  const digits = i - first;
  if (digits === 0 || digits > amountDigitsMax || (digits > 1 && bytes[first] === 48)) return -1;
  into.amountMinor = amount;
  return amount <= amountMinorMax ? i : -1;
}

/** Whether bytes[start, end), the inside of a string, are a value of `field`, which is then set. */
function readText(field: number, start: number, end: number, text: string, nowMs: number, into: Payment): boolean {
  switch (field) {
    case keys.occurredAtField: {
      const ms = timestampAt(start, end);
      into.occurredAtMs = ms;
      return ms >= occurredAtMsMin && ms <= nowMs + aheadMsMax;
    }
    case keys.currencyField:
      return (into.currency = currencyAt(start, end)) !== '';
    case keys.channelField: {
      const channel = channelAt(start);
      if (channel === undefined) return false;
      into.channel = channel;
      return true;
    }
    case keys.countryField:
      return (into.country = countryAt(start, end)) !== undefined;
    case keys.merchantCategoryCodeField:
      return (into.merchantCategoryCode = categoryCodeAt(start, end)) !== undefined;
    case keys.ipAddressField: {
      const address = text.slice(start, end);
      return (into.ipAddress = isIpv4At(start, end) ? address : canonicalIpAddress(address)) !== undefined;
    }
    case keys.amountMinorField:
    case keys.attributesField:
      return false;
    default:
      return readId(field, start, end, text, into);
  }
}

function readId(field: number, start: number, end: number, text: string, into: Payment): boolean {
  if (end === start || end - start > idCharactersMax) return false;
  const id = text.slice(start, end);
  if (mayBePan(start, end) && isPan(id)) return false;
  if (field === keys.paymentIdField) into.paymentId = id;
  else if (field === keys.customerIdField) into.customerId = id;
  else if (field === keys.accountIdField) into.accountId = id;
  else if (field === keys.counterpartyAccountIdField) into.counterpartyAccountId = id;
  else if (field === keys.merchantIdField) into.merchantId = id;
  else if (field === keys.terminalIdField) into.terminalId = id;
  else if (field === keys.cardIdField) into.cardId = id;
  else into.deviceId = id;
  return true;
}
