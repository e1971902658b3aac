/** The schemas are the documents: the types come from them, and the decoders take nothing that they refuse. */
import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { decodeLabel } from '../../../src/domain/decodeLabel.ts';
import type { DecodedPayment, PaymentJson } from '../../../src/domain/payment.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { paymentFieldNames } from '../../../src/domain/paymentFields.ts';
import { isRefusal } from '../../../src/domain/refusal.ts';
import { labelSchema, paymentSchema } from '../../../src/domain/schemas.ts';
import { bodyWith, nowMs, plainBody } from './arbitraries.ts';

const decoder = createPaymentDecoder();
const encode = (body: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(body));
const paymentDocument = Compile(paymentSchema);
const labelDocument = Compile(labelSchema);

/** What the decoder refuses and no schema can say; docs/api.md explains each. */
const beyondSchemas = new Set([
  ...['card_number', 'control_character', 'not_an_integer', 'ip_address_format', 'forbidden_key', 'lone_surrogate'],
  ...['time_format', 'time_zone_missing', 'time_too_fine', 'time_leap_second', 'time_ahead', 'time_too_old'],
]);

const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(
    '',
    'x'.repeat(128),
    'x'.repeat(129),
    '\u{1f600}'.repeat(128),
    '4111111111111111',
    'EUR',
    'DE',
    '5411',
  ),
);
const oddName = fc.oneof(fc.constantFrom(...paymentFieldNames, 'label', 'source', 'labelledAt'), fc.string());
const oddAttributes = fc.dictionary(fc.string({ maxLength: 140 }), oddValue, { maxKeys: 34, noNullPrototype: true });

describe('a payment', () => {
  test('in memory has the members that its schema says, and no others', () => {
    expectTypeOf<{ [Key in keyof Payment]: Payment[Key] }>().toEqualTypeOf<{
      [Key in keyof DecodedPayment]: DecodedPayment[Key];
    }>();
    expectTypeOf<(typeof paymentFieldNames)[number]>().toEqualTypeOf<keyof PaymentJson>();
    expect(Object.keys(new Payment()).map((name) => (name === 'occurredAtMs' ? 'occurredAt' : name))).toEqual([
      ...paymentFieldNames,
    ]);
  });

  test('that the schema refuses is refused; one that only the decoder refuses is for what no schema can say', () => {
    const changed = fc.tuple(plainBody, oddName, oddValue).map(([body, name, value]) => ({ ...body, [name]: value }));
    const withAttributes = fc.tuple(plainBody, oddAttributes).map(([body, attributes]) => ({ ...body, attributes }));
    let refusedBySchema = 0;
    fc.assert(
      fc.property(fc.oneof(changed, withAttributes, fc.jsonValue()), (body) => {
        const bytes = encode(body);
        const sent: unknown = JSON.parse(new TextDecoder().decode(bytes));
        const result = decoder.decode(bytes, nowMs);
        const valid = paymentDocument.Check(sent);
        if (!valid) refusedBySchema++;
        if (result instanceof Payment) expect(valid).toBe(true);
        else if (valid) expect(result.fields.filter(({ code }) => !beyondSchemas.has(code))).toEqual([]);
      }),
      { numRuns: 3000 },
    );
    expect(refusedBySchema).toBeGreaterThan(100);
  });

  test('without one of its required fields is refused by both', () => {
    for (const name of paymentSchema.required) {
      const { [name]: _, ...body } = bodyWith();
      expect([paymentDocument.Check(body), decoder.decode(encode(body), nowMs) instanceof Payment]).toEqual([
        false,
        false,
      ]);
    }
  });
});

describe('a label', () => {
  test('that the schema refuses is refused; one that only the decoder refuses is for what no schema can say', () => {
    const label = { paymentId: 'p', label: 'fraud', source: 'other', labelledAt: '2026-11-22T09:00:00Z' };
    const changed = fc.tuple(oddName, oddValue).map(([name, value]) => ({ ...label, [name]: value }));
    fc.assert(
      fc.property(fc.oneof(changed, fc.jsonValue()), (body) => {
        const bytes = encode(body);
        const valid = labelDocument.Check(JSON.parse(new TextDecoder().decode(bytes)));
        const result = decodeLabel(bytes, nowMs);
        if (!isRefusal(result)) expect(valid).toBe(true);
        else if (valid) expect(result.fields.filter(({ code }) => !beyondSchemas.has(code))).toEqual([]);
      }),
      { numRuns: 1000 },
    );
    expect(labelDocument.Check(label)).toBe(true);
  });
});
