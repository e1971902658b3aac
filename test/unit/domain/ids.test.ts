import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deterministicId, hash32 } from '../../../src/domain/ids.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { samePayment } from '../../../src/domain/samePayment.ts';
import { bodyWith, nowMs, plainBody } from './arbitraries.ts';

const rotl = (x: bigint, bits: bigint): bigint => ((x << bits) | (x >> (32n - bits))) & 0xffffffffn;
const low32 = (x: bigint): bigint => x & 0xffffffffn;

function finalMix(value: bigint): bigint {
  let x = value;
  x = low32((x ^ (x >> 16n)) * 0x85ebca6bn);
  x = low32((x ^ (x >> 13n)) * 0xc2b2ae35n);
  return x ^ (x >> 16n);
}

/** MurmurHash3_x86_128, word for word after Appleby's C++ (block loop, tail, finalization), as hexadecimal. */
function murmur128(bytes: Uint8Array): string {
  const c = [0x239b961bn, 0xab0e9789n, 0x38b34ae5n, 0xa1e38b93n, 0x239b961bn];
  const keyRotations = [15n, 16n, 17n, 18n];
  const rotations = [19n, 17n, 15n, 13n];
  const additions = [0x561ccd1bn, 0x0bcaa747n, 0x96cd1c35n, 0x32ac3b17n];
  const h = [0n, 0n, 0n, 0n];
  for (let start = 0; start < bytes.length; start += 16) {
    const block = bytes.subarray(start, start + 16);
    for (let i = 0; i < 4; i++) {
      let k = 0n;
      for (let j = 3; j >= 0; j--) k = (k << 8n) | BigInt(block[i * 4 + j] ?? 0);
      k = low32(rotl(low32(k * c[i]!), keyRotations[i]!) * c[i + 1]!);
      h[i]! ^= k;
      if (block.length === 16) h[i] = low32((rotl(h[i]!, rotations[i]!) + h[(i + 1) % 4]!) * 5n + additions[i]!);
    }
  }
  for (let i = 0; i < 4; i++) h[i]! ^= BigInt(bytes.length);
  for (const mixed of [false, true]) {
    if (mixed) for (let i = 0; i < 4; i++) h[i] = finalMix(h[i]!);
    h[0] = low32(h[0]! + h[1]! + h[2]! + h[3]!);
    for (let i = 1; i < 4; i++) h[i] = low32(h[i]! + h[0]);
  }
  return h.map((word) => word.toString(16).padStart(8, '0')).join('');
}

/** MurmurHash3_x86_32 over bytes of even length, seed 0. */
function murmur32(bytes: Uint8Array): number {
  let h = 0n;
  for (let start = 0; start < bytes.length; start += 4) {
    let k = 0n;
    for (let j = 3; j >= 0; j--) k = (k << 8n) | BigInt(bytes[start + j] ?? 0);
    h ^= low32(rotl(low32(k * 0xcc9e2d51n), 15n) * 0x1b873593n);
    if (start + 4 <= bytes.length) h = low32(rotl(h, 13n) * 5n + 0xe6546b64n);
  }
  return Number(finalMix(h ^ BigInt(bytes.length)));
}

const utf16 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf16le'));
const ids = fc.string({ unit: 'binary', maxLength: 40 });

describe('deterministic ids', () => {
  test('the reference here is MurmurHash3: it gives the published hashes', () => {
    expect(murmur128(Buffer.from(''))).toBe('0'.repeat(32));
    // From the documentation of other implementations (seed 0).
    expect(murmur128(Buffer.from("I will not buy this tobacconist's, it is scratched."))).toBe(
      '9b5b7ba2ef3f7866889adeaf00f3f98e',
    );
    expect(murmur32(Buffer.from('test'))).toBe(0xba6bd213);
  });

  test('are MurmurHash3 of tenant and payment id, with the version and variant of a UUIDv8', () => {
    fc.assert(
      fc.property(ids, ids, (tenantId, paymentId) => {
        const id = deterministicId(tenantId, paymentId);
        expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
        const hash = murmur128(utf16(`${tenantId}\0${paymentId}`));
        const got = id.replaceAll('-', '');
        // Words 1 and 2 carry version and variant.
        expect(got.slice(0, 12) + got.slice(13, 16)).toBe(hash.slice(0, 12) + hash.slice(13, 16));
        expect(got.slice(17)).toBe(hash.slice(17));
      }),
    );
  });

  test('differ for any two payments of a hundred thousand, also when tenant and id join to the same text', () => {
    const made = new Set<string>();
    for (let i = 0; i < 50_000; i++)
      made.add(deterministicId('default', `pay-${i}`)).add(deterministicId('other', `pay-${i}`));
    expect(made.size).toBe(100_000);
    expect(deterministicId('a', 'bc')).not.toBe(deterministicId('ab', 'c'));
  });

  test('the short hash is MurmurHash3_x86_32', () => {
    fc.assert(
      fc.property(ids, (text) => {
        expect(hash32(text)).toBe(murmur32(utf16(text)));
      }),
    );
  });
});

describe('samePayment', () => {
  const decode = (body: unknown): Payment => {
    const result = createPaymentDecoder().decode(Buffer.from(JSON.stringify(body)), nowMs);
    if (!(result instanceof Payment)) throw new Error(JSON.stringify(result));
    return result;
  };

  test('holds for the same payment spelled otherwise: order of keys and attributes, escapes, zone of the time', () => {
    fc.assert(
      fc.property(plainBody, (body) => {
        const attributes = body['attributes'] as Record<string, unknown> | undefined;
        const reversed = Object.fromEntries(Object.entries(body).reverse());
        if (attributes !== undefined) reversed['attributes'] = Object.fromEntries(Object.entries(attributes).reverse());
        expect(samePayment(decode(body), decode(reversed))).toBe(true);
      }),
      { numRuns: 200 },
    );
    const later = bodyWith({ occurredAt: '2026-11-22T10:59:59.250+01:00', channel: 'other', attributes: {} });
    expect(samePayment(decode(bodyWith()), decode(later))).toBe(true);
  });

  test('fails when any one field differs', () => {
    const full = bodyWith({
      accountId: 'a',
      counterpartyAccountId: 'b',
      merchantId: 'm',
      terminalId: 't',
      cardId: 'c',
      deviceId: 'd',
      ipAddress: '10.0.0.1',
      channel: 'atm',
      merchantCategoryCode: '5411',
      country: 'DE',
      attributes: { x: 1 },
    });
    const changes: Record<string, unknown> = {
      ...Object.fromEntries(Object.keys(full).map((name) => [name, 'changed'])),
      occurredAt: '2026-11-22T09:59:59.251Z',
      amountMinor: 1,
      currency: 'USD',
      ipAddress: '10.0.0.2',
      channel: 'other',
      merchantCategoryCode: '5412',
      country: 'FR',
      attributes: { x: 2 },
    };
    for (const [name, value] of Object.entries(changes)) {
      expect([name, samePayment(decode(full), decode({ ...full, [name]: value }))]).toEqual([name, false]);
    }
    expect(samePayment(decode(full), decode({ ...full, attributes: { x: 1, y: 1 } }))).toBe(false);
    expect(samePayment(decode(full), decode({ ...full, attributes: { y: 1 } }))).toBe(false);
    expect(samePayment(decode(full), decode({ ...full, attributes: { x: '1' } }))).toBe(false);
  });
});
