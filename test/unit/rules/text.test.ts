import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillText, parseText } from '../../../src/rules/text.ts';

function fill(text: string, values: Readonly<Record<string, string | number | boolean | null>>): string {
  return fillText(text, (fact) => values[fact]);
}

describe('the analyst’s sentence', () => {
  it('is filled with the values seen, numbers short, and says "unknown" for what is missing', () => {
    const text = 'Payment {card.count.10m} of {attributes.kind}, {ratio} times, {gone}, {empty}, {flag}';
    const values = { 'card.count.10m': 5, 'attributes.kind': 'x', ratio: 4.23456, empty: null, flag: true };
    expect(fill(text, values)).toBe('Payment 5 of x, 4.23 times, unknown, unknown, true');
    expect(fill('{n}', { n: Number.NaN })).toBe('unknown');
  });

  it('writes money in major units of the payment’s currency, by the digits that the currency has', () => {
    expect(fill('{a:money}', { a: 123456, currency: 'EUR' })).toBe('1234.56 EUR');
    expect(fill('{a:money}', { a: 123456, currency: 'JPY' })).toBe('123456 JPY');
    expect(fill('{a:money}', { a: 123456, currency: 'KWD' })).toBe('123.456 KWD');
    expect(fill('{a:money}', { a: 5 })).toBe('0.05');
  });

  it('writes shares as percent and seconds as a duration', () => {
    expect(fill('{p:percent}', { p: 0.256 })).toBe('25.6%');
    const durations = [30, 600, 3_600 * 5, 86_400 * 3].map((s) => fill('{s:duration}', { s }));
    expect(durations).toEqual(['30 s', '10 min', '5 h', '3 days']);
  });

  it('never puts a value through as a placeholder', () => {
    expect(fill('{a}', { a: '{b}', b: 'secret' })).toBe('{b}');
  });

  it('is refused with an unmatched brace, an unknown format or an empty placeholder', () => {
    for (const text of ['{', '}', 'a {b', 'a } b', '{}', '{a:b}', '{a{b}}']) {
      expect(parseText(text), text).toHaveProperty('problem');
    }
  });

  it('keeps any text without braces as it is, and never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const filled = fillText(text, () => 1);
        if (!/[{}]/.test(text)) expect(filled).toBe(text);
      }),
    );
  });
});
