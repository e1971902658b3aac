import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SplitResult } from '../../../src/api/splitArray.ts';
import { ArraySplitter } from '../../../src/api/splitArray.ts';

/** In steps of `stepBytes`; by default in many. */
function splitArray(bytes: Uint8Array, itemsMax: number, stepBytes = 7): SplitResult {
  const splitter = new ArraySplitter(bytes, itemsMax);
  for (let steps = 0; steps <= bytes.length; steps++) {
    const result = splitter.advance(stepBytes);
    if (result !== undefined) return result;
  }
  throw new Error('more steps than bytes');
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function parses(text: string): unknown {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

describe('splitting a batch', () => {
  test('gives each item’s own bytes, for any JSON array however spaced', () => {
    const spacing = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 20 }), spacing, (values, space) => {
        const split = splitArray(Buffer.from(JSON.stringify(values, null, space)), 500);
        if (split.kind !== 'items') throw new Error(split.kind);
        expect(split.items.map((item) => JSON.parse(textOf(item)) as unknown)).toEqual(
          JSON.parse(JSON.stringify(values)),
        );
        for (const item of split.items) expect(textOf(item)).toBe(textOf(item).trim());
      }),
    );
  });

  test('takes exactly what JSON.parse takes, whatever was done to the text', () => {
    const piece = fc.constantFrom(
      ...[
        '[',
        ']',
        '{',
        '}',
        ',',
        ':',
        '"',
        '\\',
        '\\u12',
        '\\u12aF',
        '1',
        '0',
        '01',
        '-',
        '.',
        'e',
        '1e+5',
        'true',
        'nul',
        ' ',
        '\n',
        '\u0001',
        'é',
      ],
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((pieces) => `[${pieces.join('')}]`),
      fc.tuple(fc.jsonValue(), fc.nat(), fc.nat(3), piece).map(([value, at, remove, insert]) => {
        const whole = JSON.stringify([value, value]);
        const start = at % (whole.length + 1);
        return whole.slice(0, start) + insert + whole.slice(start + remove);
      }),
    );
    fc.assert(
      fc.property(text, (mutated) => {
        const parsed = parses(mutated);
        const split = splitArray(Buffer.from(mutated), 500);
        const expected =
          parsed === undefined
            ? 'malformed'
            : Array.isArray((parsed as { value: unknown }).value)
              ? 'items'
              : 'not_an_array';
        expect(split.kind).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });

  test('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['items', 'invalid_utf8', 'malformed', 'not_an_array']).toContain(splitArray(bytes, 500).kind);
      }),
      { numRuns: 2000 },
    );
  });

  test('says of a batch as a whole what is wrong with it', () => {
    const kindOf = (text: string): string => splitArray(Buffer.from(text), 3).kind;
    expect(kindOf('')).toBe('malformed');
    expect(kindOf('{}')).toBe('not_an_array');
    expect(kindOf('[1,2,3,4]')).toBe('too_many');
    expect(kindOf('[1,2,3,4')).toBe('malformed');
    expect(kindOf('[1,2,3]')).toBe('items');
    expect(kindOf('['.repeat(100_000))).toBe('malformed');
    expect(splitArray(Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d), 3).kind).toBe('invalid_utf8');
  });

  test('leaves an item that is nested deep to the decoder: the other items are not touched by it', () => {
    for (const depth of [63, 64, 65, 1000, 200_000]) {
      const deep = `${'[{"a":'.repeat(depth)}0${'}]'.repeat(depth)}`;
      const split = splitArray(Buffer.from(`[1,${deep},2]`), 3, 64 * 1024);
      expect(split.kind === 'items' && split.items.map(textOf)).toEqual(['1', deep, '2']);
      expect(splitArray(Buffer.from(`[1,${deep.slice(0, -1)}},2]`), 3, 64 * 1024).kind).toBe('malformed');
    }
  });

  test('reads no more in a step than it is told, to the end of a token', () => {
    const splitter = new ArraySplitter(Buffer.from(JSON.stringify(Array.from({ length: 400 }, (_, i) => i))), 500);
    let steps = 1;
    while (splitter.advance(64) === undefined) steps++;
    expect(steps).toBeGreaterThanOrEqual(20);
  });
});
