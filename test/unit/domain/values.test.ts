import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countryCodes } from '../../../src/domain/countries.ts';
import { currencyCodes } from '../../../src/domain/currencies.ts';
import { canonicalIpAddress } from '../../../src/domain/ipAddress.ts';
import type { JsonNode } from '../../../src/domain/jsonTree.ts';
import { jsonTree } from '../../../src/domain/jsonTree.ts';
import { Problems, pointerTo } from '../../../src/domain/refusal.ts';
import { formatTimestamp, parseTimestamp } from '../../../src/domain/timestamp.ts';

describe('timestamps', () => {
  const years = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(9999, 11, 31) });

  test('are written as Date writes them, and read back to the same millisecond', () => {
    fc.assert(
      fc.property(years, (ms) => {
        expect(formatTimestamp(ms)).toBe(new Date(ms).toISOString());
        expect(parseTimestamp(formatTimestamp(ms))).toBe(ms);
      }),
      { numRuns: 2000 },
    );
  });

  test('exist or do not exist as the calendar says', () => {
    for (const text of ['2024-02-29T00:00:00Z', '2000-02-29T00:00:00Z', '2026-12-31T23:59:59.999Z']) {
      expect(parseTimestamp(text)).toBe(Date.parse(text));
    }
    const missing = ['2026-02-29', '2100-02-29', '2026-04-31', '2026-13-01', '2026-00-10', '2026-01-00', '2026-01-32'];
    for (const date of missing) expect(parseTimestamp(`${date}T00:00:00Z`)).toBe('time_format');
    for (const time of ['24:00:00', '23:60:00', '23:59:61', '1:00:00', '10:00']) {
      expect(parseTimestamp(`2026-01-01T${time}Z`)).toBe('time_format');
    }
    expect(parseTimestamp('2016-12-31T23:59:60Z')).toBe('time_leap_second');
  });

  test('need a zone, and may have any real offset', () => {
    expect(parseTimestamp('2026-11-22T10:00:00')).toBe('time_zone_missing');
    expect(parseTimestamp('2026-11-22T10:00:00.5')).toBe('time_zone_missing');
    expect(parseTimestamp('2026-11-22T10:00:00+05:45')).toBe(Date.parse('2026-11-22T04:15:00Z'));
    expect(parseTimestamp('2026-11-22t10:00:00.5z')).toBe(Date.parse('2026-11-22T10:00:00.500Z'));
    for (const zone of ['+24:00', '+10:60', '+1:00', '+1000', 'CET', '+']) {
      expect(parseTimestamp(`2026-11-22T10:00:00${zone}`)).toBe('time_format');
    }
  });

  test('finer than a millisecond are refused, unless the rest is zeros: nothing is cut off silently', () => {
    expect(parseTimestamp('2026-11-22T10:00:00.123000Z')).toBe(Date.parse('2026-11-22T10:00:00.123Z'));
    expect(parseTimestamp('2026-11-22T10:00:00.123456Z')).toBe('time_too_fine');
    expect(parseTimestamp('2026-11-22T10:00:00.1234567890Z')).toBe('time_format');
  });
});

describe('IP addresses', () => {
  const texts = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.ipV4Extended(),
    fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdefF:.%')), maxLength: 24 }),
    fc.tuple(fc.ipV6(), fc.nat(), fc.constantFrom('', ':', '0', '::', '.', 'g')).map(([ip, at, insert]) => {
      const index = at % ip.length;
      return `${ip.slice(0, index)}${insert}${ip.slice(index + 1)}`;
    }),
  );

  test('are recognised exactly as the operating system does, zone ids aside', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(canonicalIpAddress(text) !== undefined).toBe(isIP(text) !== 0 && !text.includes('%'));
      }),
      { numRuns: 5000 },
    );
  });

  test('have one spelling each, that of RFC 5952', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const canonical = canonicalIpAddress(text) ?? '';
        expect(canonicalIpAddress(canonical)).toBe(canonical);
        const url = new URL(`http://[${text}]/`).hostname.slice(1, -1);
        if (!canonical.includes('.')) expect(canonical).toBe(url);
      }),
    );
    expect(canonicalIpAddress('2001:DB8:0:0:1:0:0:1')).toBe('2001:db8::1:0:0:1');
    expect(canonicalIpAddress('::')).toBe('::');
    expect(canonicalIpAddress('1::')).toBe('1::');
    expect(canonicalIpAddress('::ffff:10.1.2.3')).toBe('10.1.2.3');
    expect(canonicalIpAddress('::FFFF:0a01:0203')).toBe('10.1.2.3');
    expect(canonicalIpAddress('fe80::1%eth0')).toBeUndefined();
  });
});

describe('code lists', () => {
  test('hold every currency and country that ICU knows as current, and no code twice', () => {
    expect(new Set(currencyCodes).size).toBe(currencyCodes.length);
    expect(new Set(countryCodes).size).toBe(249);
    const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
    for (const code of countryCodes) expect(names.of(code)).toBeDefined();
    for (const code of ['EUR', 'USD', 'JPY', 'XCG', 'ZWG', 'XXX']) expect(currencyCodes).toContain(code);
    for (const code of ['DEM', 'BTC', 'ZZZ']) expect(currencyCodes).not.toContain(code);
    for (const code of ['XK', 'UK', 'EU']) expect(countryCodes).not.toContain(code);
  });
});

describe('the JSON tree', () => {
  /** What JSON.parse would have made of it. */
  function plain(node: JsonNode | undefined): unknown {
    if (node === undefined || node.kind === 'null') return null;
    if (node.kind === 'array') return node.items.map(plain);
    if (node.kind === 'object') return Object.fromEntries([...node.members].map(([key, child]) => [key, plain(child)]));
    return node.value;
  }

  test('holds what JSON.parse reads, for any JSON', () => {
    const spacing = fc.constantFrom(undefined, 2, '\t');
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), spacing, (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(plain(jsonTree(text, new Problems()))).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });

  test('names places by RFC 6901 pointers', () => {
    expect(pointerTo('/a', 'm~n/o')).toBe('/a/m~0n~1o');
    expect(pointerTo('', 'x'.repeat(200)).length).toBeLessThan(70);
    expect(pointerTo('', '4111 1111 1111 1111')).toBe('/(hidden)');
  });
});
