import { describe, expect, test } from 'vitest';
import { KeyRate } from '../../../src/api/keyRate.ts';
import { createApiKeyVerifier, generateApiKey, hashApiKey } from '../../../src/api/keys.ts';

describe('API keys', () => {
  test('are random, and known by their hash alone', () => {
    const key = generateApiKey();
    expect(key).toMatch(/^hf_[\w-]{43}$/);
    expect(generateApiKey()).not.toBe(key);
    const verifier = createApiKeyVerifier([{ sha256: hashApiKey(key), tenantId: 'a', scopes: ['read'] }]);
    expect(verifier.verify(key)).toMatchObject({ tenantId: 'a', keyId: hashApiKey(key).slice(0, 12) });
    expect([...(verifier.verify(key)?.scopes ?? [])]).toEqual(['read']);
    for (const other of ['', `${key}x`, key.slice(1), hashApiKey(key), 'x'.repeat(10_000)]) {
      expect(verifier.verify(other)).toBeUndefined();
    }
  });

  test('with a hash that is none stop the start', () => {
    expect(() => createApiKeyVerifier([{ sha256: 'secret', tenantId: 'a' }])).toThrow('hexadecimal');
  });

  test('have a rate each: the window’s requests, then the seconds to wait, then the next window', () => {
    const rate = new KeyRate(2, 5000);
    expect([rate.take('a', 0), rate.take('a', 1), rate.take('b', 1)]).toEqual([0, 0, 0]);
    expect(rate.take('a', 100)).toBe(5);
    expect(rate.take('a', 4999)).toBe(1);
    expect(rate.take('a', 5000)).toBe(0);
  });
});
