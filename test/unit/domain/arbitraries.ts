/** Random payments as bodies, for the tests of this folder. */
import fc from 'fast-check';
import { countryCodes } from '../../../src/domain/countries.ts';
import { currencyCodes } from '../../../src/domain/currencies.ts';
import { passesLuhn } from '../../../src/domain/luhn.ts';
import { holdsPan, isPan } from '../../../src/domain/pan.ts';
import { channels } from '../../../src/domain/payment.ts';

export const nowMs = Date.UTC(2026, 10, 22, 10, 0, 0);

/** Printable ASCII that needs no escape in JSON. */
const plainCharacter = fc
  .integer({ min: 32, max: 126 })
  .map((code) => String.fromCharCode(code))
  .filter((character) => character !== '"' && character !== '\\');

const plainId = fc.string({ unit: plainCharacter, minLength: 1, maxLength: 128 }).filter((text) => !isPan(text));
const plainText = fc.string({ unit: plainCharacter, maxLength: 256 }).filter((text) => !holdsPan(text));
const plainName = fc
  .string({ unit: plainCharacter, minLength: 1, maxLength: 64 })
  .filter((text) => !holdsPan(text) && !['__proto__', 'constructor', 'prototype'].includes(text));

/** A number as JavaScript writes it with few digits and no exponent. */
const plainNumber = fc.oneof(
  fc.integer({ min: -999_999_999_999, max: 999_999_999_999 }),
  fc.integer({ min: -999_999_999, max: 999_999_999 }).map((value) => value / 1000),
);

const occurredAt = fc
  .tuple(
    fc.integer({ min: Date.UTC(2000, 0, 1), max: nowMs + 300_000 }),
    fc.constantFrom('Z', '+00:00', '-00:00', '+05:45', '-11:30', '+14:00'),
    fc.boolean(),
  )
  .map(([ms, zone, wholeSecond]) => {
    const exact = wholeSecond ? ms - (ms % 1000) : ms;
    const sign = zone.startsWith('-') ? -1 : 1;
    const offset = zone === 'Z' ? 0 : sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
    const text = new Date(exact + offset * 60_000).toISOString().slice(0, wholeSecond ? 19 : 23);
    return text + zone;
  })
  .filter((text) => Date.parse(text) >= Date.UTC(2000, 0, 1));

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

/** A valid payment's body that the fast path must know. */
export const plainBody = fc
  .record({
    paymentId: plainId,
    occurredAt,
    amountMinor: fc.oneof(fc.integer({ min: 0, max: 9e15 }), fc.integer({ min: 0, max: 100_000 })),
    currency: fc.constantFrom(...currencyCodes),
    customerId: plainId,
    accountId: optional(plainId),
    counterpartyAccountId: optional(plainId),
    merchantId: optional(plainId),
    terminalId: optional(plainId),
    cardId: optional(plainId),
    deviceId: optional(plainId),
    ipAddress: optional(fc.oneof(fc.ipV4(), fc.ipV6())),
    channel: optional(fc.constantFrom(...channels)),
    merchantCategoryCode: optional(fc.integer({ min: 0, max: 9999 }).map((code) => String(code).padStart(4, '0'))),
    country: optional(fc.constantFrom(...countryCodes)),
    attributes: optional(
      fc.dictionary(plainName, fc.oneof(plainText, plainNumber, fc.boolean()), { maxKeys: 12, noNullPrototype: true }),
    ),
  })
  .chain((body) => {
    const present = Object.entries(body).filter(([, value]) => value !== undefined);
    return fc.shuffledSubarray(present, { minLength: present.length, maxLength: present.length });
  })
  .map((entries): Record<string, unknown> => Object.fromEntries(entries));

/** How serialisers space their output: JavaScript, Python, pretty-printed, and with tabs around. */
export const spacedJson = (body: Record<string, unknown>): fc.Arbitrary<string> =>
  fc.constantFrom(
    JSON.stringify(body),
    JSON.stringify(body, null, 2),
    `\t${JSON.stringify(body, null, '\t')}\r\n`,
    `{${Object.entries(body)
      .map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`)
      .join(', ')}}`,
  );

/** A valid payment with nothing that could trip a test by chance. */
export function bodyWith(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    paymentId: 'pay-1',
    occurredAt: '2026-11-22T09:59:59.250Z',
    amountMinor: 1250,
    currency: 'EUR',
    customerId: 'customer-1',
    ...changes,
  };
}

/** A number of `length` digits that passes Luhn and begins with `prefix`. */
export function panOf(prefix: string, length: number): string {
  const body = prefix.padEnd(length - 1, '7').slice(0, length - 1);
  for (let check = 0; check < 10; check++) if (passesLuhn(`${body}${check}`)) return `${body}${check}`;
  throw new Error('one of ten check digits passes Luhn');
}
