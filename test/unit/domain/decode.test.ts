import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { decodeFast } from '../../../src/domain/decodeFast.ts';
import { decodeThorough } from '../../../src/domain/decodeThorough.ts';
import { errors } from '../../../src/domain/errors.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { fieldProblems, type Refusal } from '../../../src/domain/refusal.ts';
import { paymentSchema } from '../../../src/domain/schemas.ts';
import { bodyWith, nowMs, panOf, plainBody, spacedJson } from './arbitraries.ts';

const decoder = createPaymentDecoder();
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decodeBody = (body: unknown): Payment | Refusal => decoder.decode(encode(JSON.stringify(body)), nowMs);
const decodeText = (text: string): Payment | Refusal => decoder.decode(encode(text), nowMs);

/** `pointer code` of each problem. */
function problemsOf(result: Payment | Refusal): string[] {
  return result instanceof Payment ? [] : result.fields.map((field) => `${field.pointer} ${field.code}`);
}
const problemsWith = (changes: Record<string, unknown>): string[] => problemsOf(decodeBody(bodyWith(changes)));

describe('the fast path', () => {
  test('decodes every plain payment itself, however it is spaced, exactly as the thorough path does', () => {
    const texts = plainBody.chain(spacedJson);
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = encode(text);
        const fast = decodeFast(bytes, nowMs);
        expect(fast).toBeInstanceOf(Payment);
        expect(fast).toStrictEqual(decodeThorough(bytes, nowMs));
      }),
      { numRuns: 500 },
    );
  });

  test('takes nothing that the thorough path refuses or reads otherwise, whatever was done to the bytes', () => {
    const weird = fc.constantFrom(
      ...[
        'null',
        '-0',
        '0',
        '01',
        '1e2',
        '1.0',
        '1.',
        '-1',
        '9000000000000001',
        '"',
        '""',
        '{}',
        '[]',
        '}',
        ',',
        ':',
        ' ',
      ],
      ...['"\\u0041"', '"é"', '"2026-02-29T00:00:00Z"', '"2026-11-22T10:00:60Z"', '"4111111111111111"', 'true', 'tru'],
      ...['"__proto__":1', '"paymentId":"x",', '"attributes":{"a":1,"a":2},', '123456789012345', '\u0000', '\u007f'],
    );
    const mutation = fc.record({
      at: fc.nat(600),
      remove: fc.nat(6),
      insert: fc.oneof(fc.constant(''), weird, fc.string({ maxLength: 3 })),
    });
    fc.assert(
      fc.property(
        plainBody.chain(spacedJson),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (text, mutations) => {
          let mutated = text;
          for (const { at, remove, insert } of mutations) {
            const start = at % (mutated.length + 1);
            mutated = mutated.slice(0, start) + insert + mutated.slice(start + remove);
          }
          const bytes = encode(mutated);
          const fast = decodeFast(bytes, nowMs);
          if (fast !== undefined) expect(fast).toStrictEqual(decodeThorough(bytes, nowMs));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('agrees with the thorough path when one value of a payment is replaced by any other', () => {
    const value = fc.oneof(
      fc.json(),
      fc.string(),
      fc.double(),
      fc.integer(),
      fc.date().map((date) => (Number.isNaN(date.getTime()) ? '' : date.toISOString())),
    );
    const field = fc.constantFrom(
      'occurredAt',
      'amountMinor',
      'currency',
      'ipAddress',
      'channel',
      'merchantCategoryCode',
      'country',
      'cardId',
      'attributes',
    );
    fc.assert(
      fc.property(field, value, (name, replaced) => {
        const bytes = encode(JSON.stringify(bodyWith({ [name]: name === 'attributes' ? { a: replaced } : replaced })));
        const fast = decodeFast(bytes, nowMs);
        if (fast !== undefined) expect(fast).toStrictEqual(decodeThorough(bytes, nowMs));
      }),
      { numRuns: 2000 },
    );
  });

  test('forgets attribute names when there are too many, and goes on', () => {
    for (let i = 0; i < 5000; i++) {
      const payment = decodeBody(bodyWith({ attributes: { [`name${i}`]: i, [`other${i}`]: true } }));
      expect(payment).toMatchObject({ attributes: { [`name${i}`]: i, [`other${i}`]: true } });
    }
  });
});

describe('the decoder', () => {
  test('answers every input, random bytes and mutated JSON alike, with a payment or with at least one named problem', () => {
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.json({ maxDepth: 8 }).map(encode),
      fc.tuple(plainBody.chain(spacedJson), fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
        const bytes = encode(text);
        bytes[at % bytes.length] = byte;
        return bytes;
      }),
      fc
        .tuple(plainBody.chain(spacedJson), fc.nat())
        .map(([text, length]) => encode(text).subarray(0, length % text.length)),
    );
    fc.assert(
      fc.property(input, (bytes) => {
        const result = decoder.decode(bytes, nowMs);
        if (result instanceof Payment) return;
        expect(Object.keys(errors)).toContain(result.code);
        expect(result.fields.length).toBeGreaterThan(0);
        for (const field of result.fields) expect(Object.keys(fieldProblems)).toContain(field.code);
      }),
      { numRuns: 3000 },
    );
  });

  test('takes no payment that its published schema refuses', () => {
    const schema = Compile(paymentSchema);
    fc.assert(
      fc.property(plainBody, (body) => {
        expect(decodeBody(body)).toBeInstanceOf(Payment);
        expect(schema.Check(body)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('survives deep nesting and huge numbers', () => {
    expect(problemsOf(decodeText('['.repeat(8000) + ']'.repeat(8000)))).toEqual([' too_deep']);
    const deep = `{"attributes":${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}}`;
    expect(problemsOf(decodeText(deep))).toContain(' too_deep');
    expect(problemsWith({ attributes: { a: 0 } })).toEqual([]);
    const huge = JSON.stringify(bodyWith({ attributes: { a: 0 } })).replace(':0', ':1e999');
    expect(problemsOf(decodeText(huge))).toEqual(['/attributes/a out_of_range']);
    expect(problemsOf(decodeText('9'.repeat(16_000)))).toEqual([' wrong_type']);
  });

  test('refuses more than 16 KiB unread, and takes exactly 16 KiB', () => {
    const text = JSON.stringify(bodyWith());
    expect(decodeText(text.padEnd(16_384))).toBeInstanceOf(Payment);
    expect(decodeText(text.padEnd(16_385))).toMatchObject({ code: 'payment_too_large' });
  });

  test('tells what is not UTF-8 and what is not JSON from what is not a payment', () => {
    expect(decoder.decode(Uint8Array.of(0x22, 0xff, 0x22), nowMs)).toMatchObject({ code: 'invalid_utf8' });
    const notJson = ['', '{', '{"a":NaN}', '{"a":Infinity}', "{'a':1}", '{"a":1,}', '// x', '\ufeff{}'];
    for (const text of notJson) expect(decodeText(text)).toMatchObject({ code: 'malformed_json' });
    for (const text of ['[]', 'null', '"x"', '1']) expect(problemsOf(decodeText(text))).toEqual([' wrong_type']);
  });

  test('names every bad field at once', () => {
    const result = decodeBody({ occurredAt: 'x', amountMinor: -1, currency: 'eur', customerId: '', cardId: 7, foo: 1 });
    expect(problemsOf(result)).toEqual([
      '/paymentId required',
      '/occurredAt time_format',
      '/amountMinor out_of_range',
      '/currency unknown_value',
      '/customerId too_short',
      '/cardId wrong_type',
      '/foo unknown_field',
    ]);
  });

  test('lists at most 64 problems and says that there are more', () => {
    const unknown = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x${i}`, 1]));
    const problems = problemsWith(unknown);
    expect(problems).toHaveLength(65);
    expect(problems.at(-1)).toBe(' more_problems');
  });

  test('finds repeated keys at any level and in any spelling', () => {
    const text = JSON.stringify(bodyWith({ attributes: { a: 1 } }));
    expect(problemsOf(decodeText(text.replace('{"a":1}', '{"a":1,"\\u0061":1}')))).toEqual([
      '/attributes/a duplicate_key',
    ]);
    expect(problemsOf(decodeText(text.replace('"currency"', '"paymentI\\u0064":"x","currency"')))).toEqual([
      '/paymentId duplicate_key',
    ]);
    expect(problemsOf(decodeText(text.replace('{"a":1}', '{"b":{"c":[{"d":1,"d":1}]}}')))).toContain(
      '/attributes/b/c/0/d duplicate_key',
    );
  });

  test('refuses prototype keys at any level, and is not changed by them', () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const text = JSON.stringify(bodyWith({ attributes: { x: 1 } }));
      expect(problemsOf(decodeText(text.replace('"x"', `"${key}"`)))).toEqual([`/attributes/${key} forbidden_key`]);
      expect(problemsOf(decodeText(text.replace('"paymentId"', `"${key}":{"polluted":1},"paymentId"`)))).toEqual([
        `/${key} forbidden_key`,
      ]);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(problemsWith({ attributes: { toString: 'x', hasOwnProperty: 1 } })).toEqual([]);
  });

  test('refuses half surrogate pairs, written or escaped', () => {
    const text = JSON.stringify(bodyWith({ attributes: { note: 'X' } }));
    expect(problemsOf(decodeText(text.replace('"X"', '"\\ud800"')))).toEqual(['/attributes/note lone_surrogate']);
    expect(problemsOf(decodeText(text.replace('"note"', '"\\udc00"')))).toContain('/attributes lone_surrogate');
    const raw = Uint8Array.from([...encode('{"paymentId":"'), 0xed, 0xa0, 0x80, ...encode('"}')]);
    expect(decoder.decode(raw, nowMs)).toMatchObject({ code: 'invalid_utf8' });
    expect(problemsWith({ attributes: { note: '\u{1f4b3}' } })).toEqual([]);
  });

  test('counts characters, not bytes or UTF-16 units', () => {
    expect(problemsWith({ customerId: '\u{1f600}'.repeat(128) })).toEqual([]);
    expect(problemsWith({ customerId: '\u{1f600}'.repeat(129) })).toEqual(['/customerId too_long']);
    expect(problemsWith({ customerId: 'x'.repeat(128) })).toEqual([]);
    expect(problemsWith({ customerId: 'x'.repeat(129) })).toEqual(['/customerId too_long']);
    expect(problemsWith({ customerId: 'a\u0085b' })).toEqual(['/customerId control_character']);
    expect(problemsWith({ customerId: 'a\nb' })).toEqual(['/customerId control_character']);
  });

  test('takes amounts as integers in minor units only, spelled as integers', () => {
    expect(problemsWith({ amountMinor: 9e15 })).toEqual([]);
    expect(problemsWith({ amountMinor: 9e15 + 1 })).toEqual(['/amountMinor out_of_range']);
    expect(problemsWith({ amountMinor: '1250' })).toEqual(['/amountMinor wrong_type']);
    for (const spelling of ['12.0', '1e2', '12.5', '-0.0']) {
      const text = JSON.stringify(bodyWith()).replace('1250', spelling);
      expect(problemsOf(decodeText(text))).toEqual(['/amountMinor not_an_integer']);
    }
    expect(problemsOf(decodeText(JSON.stringify(bodyWith()).replace('1250', '-0')))).toEqual([
      '/amountMinor out_of_range',
    ]);
    // A large amount may look like a card number, and is none.
    expect(problemsWith({ amountMinor: 4_111_111_111_111_111 })).toEqual([]);
  });

  test('bounds the event time by five minutes ahead of now and by the year 2000', () => {
    const at = (ms: number): string => new Date(ms).toISOString();
    expect(problemsWith({ occurredAt: at(nowMs + 300_000) })).toEqual([]);
    expect(problemsWith({ occurredAt: at(nowMs + 300_001) })).toEqual(['/occurredAt time_ahead']);
    expect(problemsWith({ occurredAt: '2000-01-01T00:00:00Z' })).toEqual([]);
    expect(problemsWith({ occurredAt: '1999-12-31T23:59:59.999Z' })).toEqual(['/occurredAt time_too_old']);
    expect(
      decoder.decode(
        encode(JSON.stringify(bodyWith({ occurredAt: '2199-01-01T00:00:00Z' }))),
        Number.POSITIVE_INFINITY,
      ),
    ).toBeInstanceOf(Payment);
  });

  test('takes attributes of the contract and no others', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, i]));
    expect(problemsWith({ attributes: many(32) })).toEqual([]);
    expect(problemsWith({ attributes: many(33) })).toEqual(['/attributes too_many']);
    expect(problemsWith({ attributes: { a: null, b: [], c: {} } })).toEqual([
      '/attributes/a wrong_type',
      '/attributes/b wrong_type',
      '/attributes/c wrong_type',
    ]);
    expect(problemsWith({ attributes: { a: 'x'.repeat(257), ['n'.repeat(129)]: 1, '': 1 } })).toHaveLength(3);
    expect(problemsWith({ attributes: [] })).toEqual(['/attributes wrong_type']);
  });

  test('suggests the field that was meant', () => {
    expect(decodeBody(bodyWith({ card_id: 'x' }))).toMatchObject({
      fields: [{ message: expect.stringContaining('"cardId"') }],
    });
  });
});

describe('card numbers', () => {
  const idFields = [
    'paymentId',
    'customerId',
    'accountId',
    'counterpartyAccountId',
    'merchantId',
    'terminalId',
    'cardId',
    'deviceId',
  ];
  const spellings = (pan: string): string[] => [
    pan,
    pan.replaceAll(/(.{4})(?=.)/g, '$1 '),
    pan.replaceAll(/(.{4})(?=.)/g, '$1-'),
    ` ${pan} `,
  ];

  test('are refused in every identifier, plain or with spaces or dashes, from 13 to 19 digits', () => {
    for (const name of idFields) {
      for (const spelling of spellings('4111111111111111'))
        expect(problemsWith({ [name]: spelling })).toEqual([`/${name} card_number`]);
    }
    for (let length = 13; length <= 19; length++)
      expect(problemsWith({ cardId: panOf('52', length) })).toEqual(['/cardId card_number']);
    expect(problemsWith({ cardId: panOf('4', 16).replace(/.$/, (digit) => String((Number(digit) + 1) % 10)) })).toEqual(
      [],
    );
    expect(problemsWith({ cardId: panOf('4', 12), deviceId: panOf('4', 20) })).toEqual([]);
    expect(problemsWith({ cardId: '４１１１１１１１１１１１１１１１' })).toEqual(['/cardId card_number']);
  });

  test('are refused in the names and values of attributes, also inside a sentence and as numbers', () => {
    expect(problemsWith({ attributes: { 4111111111111111: 1 } })).toEqual(['/attributes/(hidden) card_number']);
    for (const value of [
      '378282246310005',
      'paid by 4111 1111 1111 1111, thanks',
      'card:4111111111111111',
      4111111111111111,
    ]) {
      expect(problemsWith({ attributes: { a: value } })).toEqual(['/attributes/a card_number']);
    }
    const text = JSON.stringify(bodyWith({ attributes: { a: 0 } }));
    for (const spelling of ['4111111111111111.0', '4.111111111111111e15', '-4111111111111111', panOf('62', 19)]) {
      expect(problemsOf(decodeText(text.replace(':0}', `:${spelling}}`)))).toEqual(['/attributes/a card_number']);
    }
    // A reference that only contains digits is no card.
    expect(
      problemsWith({ attributes: { a: 'ord-4111111111111111', b: '550e8400-e29b-41d4-a716-446655440000' } }),
    ).toEqual([]);
  });

  test('and other values are never repeated in a refusal', () => {
    const secret = 'Zq9Canary';
    const body = {
      ...Object.fromEntries(
        ['occurredAt', 'amountMinor', 'currency', 'ipAddress', 'channel', 'country', 'attributes'].map((name) => [
          name,
          secret,
        ]),
      ),
      paymentId: `${secret}\n`,
      merchantCategoryCode: secret,
      cardId: '4111111111111111',
      '4111111111111111': 1,
    };
    for (const text of [JSON.stringify(body), `${JSON.stringify(body)}${secret}`]) {
      const answer = JSON.stringify(decodeText(text));
      expect(answer).not.toContain(secret);
      expect(answer).not.toContain('4111');
    }
  });
});
