import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAmountMinor } from '../../../src/cli/replay/amount.ts';

const max = 9_000_000_000_000_000n;
const decimals = fc.integer({ min: 0, max: 4 });

/** Any amount of minor units, written with its full fraction. */
const written = (minor: bigint, places: number): string => {
  const digits = String(minor).padStart(places + 1, '0');
  return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
};

describe('amounts are exact: text in, minor units out, no float in between', () => {
  test('every amount up to 9e15 minor units is read back exactly, with or without trailing zeros', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max }), decimals, fc.integer({ min: 0, max: 6 }), (minor, places, zeros) => {
        const text = written(minor, places);
        const longer = text.includes('.') ? `${text}${'0'.repeat(zeros)}` : text;
        expect(parseAmountMinor(longer, places, false)).toBe(Number(minor));
      }),
    );
  });

  test('a fraction finer than a minor unit is refused without rounding, and rounds half up with it', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: max - 1n }),
        decimals,
        fc.bigInt({ min: 1n, max: 999_999n }),
        (minor, places, rest) => {
          const fine = String(rest).padStart(6, '0');
          const text = `${written(minor, places)}${places === 0 ? '.' : ''}${fine}`;
          expect(parseAmountMinor(text, places, false)).toBe('amount_too_fine');
          expect(parseAmountMinor(text, places, true)).toBe(Number(minor) + (rest >= 500_000n ? 1 : 0));
        },
      ),
    );
  });

  test('above 9e15 minor units it is too large, however many digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: max + 1n, max: 10n ** 20n - 1n }), (minor) => {
        expect(parseAmountMinor(String(minor), 0, false)).toBe('amount_too_large');
      }),
    );
    expect(parseAmountMinor('9000000000000000.5', 0, true)).toBe('amount_too_large');
    expect(parseAmountMinor('9000000000000000.4', 0, true)).toBe(9e15);
  });

  test.each(['', ' ', '-1', '+1', '1e3', '1,5', '1 000', '.5', '5.', '0x1f', 'NaN', 'Infinity', '１'])(
    '%j is no amount',
    (text) => {
      expect(parseAmountMinor(text, 2, true)).toBe('amount_format');
    },
  );

  test('no text whatever makes it throw or give anything but a safe non-negative integer or a fault', () => {
    fc.assert(
      fc.property(fc.string(), decimals, fc.boolean(), (text, places, round) => {
        const result = parseAmountMinor(text, places, round);
        if (typeof result === 'number') expect(Number.isSafeInteger(result) && result >= 0).toBe(true);
      }),
    );
  });

  test.each([
    ['57.16', 5716],
    ['146.0', 14_600],
    ['87.69999999999999', 8770],
    ['313.04999999999995', 31_305],
  ])("the handbook's %s is %d cents", (text, cents) => {
    expect(parseAmountMinor(text, 2, true)).toBe(cents);
  });
});
