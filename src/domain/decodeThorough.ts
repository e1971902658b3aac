/**
 * The thorough path of decoding: decides about everything that the fast path did not recognise, and names every bad
 * field. For a payment that both understand, both give the same `Payment`.
 */
import * as bounds from './bounds.ts';
import { countryCodes } from './countries.ts';
import { currencyCodes } from './currencies.ts';
import {
  cardNumber,
  controlCharacter,
  Fault,
  readId,
  readInteger,
  readNumber,
  readOneOf,
  readText,
  readTime,
  textFault,
} from './fieldReaders.ts';
import { forbiddenKeys } from './forbiddenKeys.ts';
import { canonicalIpAddress } from './ipAddress.ts';
import type { JsonNode } from './jsonTree.ts';
import { addUnknownFields, readObject } from './document.ts';
import { holdsPan } from './pan.ts';
import type { AttributeValue } from './payment.ts';
import { channels, Payment } from './payment.ts';
import type { PaymentFieldName } from './paymentFields.ts';
import { paymentFieldNames, requiredFieldCount } from './paymentFields.ts';
import type { Refusal } from './refusal.ts';
import { isRefusal, Problems, pointerTo } from './refusal.ts';

const currencies = new Map(currencyCodes.map((code) => [code, code]));
const countries = new Map(countryCodes.map((code) => [code, code]));
const channelsByName = new Map(channels.map((channel) => [channel, channel]));

function categoryCode(text: string): string | undefined {
  return /^\d{4}$/.test(text) ? text : undefined;
}

/** Reads one field into the payment, or says why not. `attributes` adds its problems itself. */
type FieldReader = (node: JsonNode, into: Payment, nowMs: number, problems: Problems) => Fault | undefined;

function reader<K extends PaymentFieldName & keyof Payment>(
  key: K,
  read: (node: JsonNode, nowMs: number) => Payment[K] | Fault,
): FieldReader {
  return (node, into, nowMs) => {
    const value = read(node, nowMs);
    if (value instanceof Fault) return value;
    into[key] = value;
    return undefined;
  };
}

const readers: Record<PaymentFieldName, FieldReader> = {
  paymentId: reader('paymentId', readId),
  occurredAt: (node, into, nowMs) => {
    const ms = readTime(node, { minMs: bounds.occurredAtMsMin, maxMs: nowMs + bounds.aheadMsMax });
    if (ms instanceof Fault) return ms;
    into.occurredAtMs = ms;
    return undefined;
  },
  amountMinor: reader('amountMinor', (node) => readInteger(node, bounds.amountMinorMax)),
  currency: reader('currency', (node) => readOneOf(node, currencies, 'an ISO 4217 code, in capitals')),
  customerId: reader('customerId', readId),
  accountId: reader('accountId', readId),
  counterpartyAccountId: reader('counterpartyAccountId', readId),
  merchantId: reader('merchantId', readId),
  terminalId: reader('terminalId', readId),
  cardId: reader('cardId', readId),
  deviceId: reader('deviceId', readId),
  ipAddress: reader('ipAddress', (node) =>
    readText(node, canonicalIpAddress, 'ip_address_format', 'an IPv4 or IPv6 address'),
  ),
  channel: reader('channel', (node) => readOneOf(node, channelsByName, `one of ${channels.join(', ')}`)),
  merchantCategoryCode: reader('merchantCategoryCode', (node) =>
    readText(node, categoryCode, 'category_code_format', 'four digits, as a string'),
  ),
  country: reader('country', (node) => readOneOf(node, countries, 'an ISO 3166-1 alpha-2 code, in capitals')),
  attributes: (node, into, _nowMs, problems) => {
    if (node.kind !== 'object') return new Fault('wrong_type', 'Must be an object.');
    into.attributes = readAttributes(node.members, problems);
    return undefined;
  },
};

function readAttributes(members: ReadonlyMap<string, JsonNode>, problems: Problems): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  if (members.size > bounds.attributesMax) {
    problems.add('/attributes', 'too_many', `Must have at most ${bounds.attributesMax} entries.`);
  }
  for (const [name, node] of members) {
    if (problems.full) break;
    // Already a problem; and assigning to `__proto__` would not make a property.
    if (forbiddenKeys.has(name)) continue;
    const value = readAttribute(node);
    const fault = nameFault(name) ?? (value instanceof Fault ? value : undefined);
    if (fault !== undefined) problems.add(pointerTo('/attributes', name), fault.code, fault.message);
    if (!(value instanceof Fault)) attributes[name] = value;
  }
  return attributes;
}

function nameFault(name: string): Fault | undefined {
  if (name === '') return new Fault('too_short', 'The name of an attribute must not be empty.');
  if (controlCharacter.test(name)) return new Fault('control_character', 'Names must not hold control characters.');
  return textFault(name, bounds.attributeNameCharactersMax) ?? (holdsPan(name) ? cardNumber : undefined);
}

function readAttribute(node: JsonNode): AttributeValue | Fault {
  if (node.kind === 'boolean') return node.value;
  if (node.kind === 'number') return readNumber(node);
  if (node.kind !== 'string') return new Fault('wrong_type', 'Must be a string, a finite number or a boolean.');
  return textFault(node.value, bounds.attributeTextCharactersMax) ?? (holdsPan(node.value) ? cardNumber : node.value);
}

export function decodeThorough(bytes: Uint8Array, nowMs: number): Payment | Refusal {
  const problems = new Problems();
  const members = readObject(bytes, { bytesMax: bounds.paymentBytesMax, tooLarge: 'payment_too_large' }, problems);
  if (isRefusal(members)) return members;
  const payment = new Payment();
  if (!problems.fatal) readPayment(members, payment, nowMs, problems);
  if (problems.list.length > 0) return { code: 'invalid_payment', fields: problems.list };
  return payment;
}

function readPayment(members: ReadonlyMap<string, JsonNode>, into: Payment, nowMs: number, problems: Problems): void {
  for (const [index, name] of paymentFieldNames.entries()) {
    const node = members.get(name);
    if (node === undefined) {
      if (index < requiredFieldCount) problems.add(pointerTo('', name), 'required', 'This field is required.');
      continue;
    }
    const fault = readers[name](node, into, nowMs, problems);
    if (fault !== undefined) problems.add(pointerTo('', name), fault.code, fault.message);
  }
  addUnknownFields(members, paymentFieldNames, 'payment', problems);
}
