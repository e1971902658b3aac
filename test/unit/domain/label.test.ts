import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeLabel } from '../../../src/domain/decodeLabel.ts';
import { isRefusal } from '../../../src/domain/refusal.ts';
import { nowMs } from './arbitraries.ts';

const label = { paymentId: 'pay-1', label: 'fraud', source: 'chargeback', labelledAt: '2026-11-22T10:00:00Z' };
const decode = (body: unknown) => decodeLabel(Buffer.from(JSON.stringify(body)), nowMs);

describe('labels', () => {
  test('are read from the contract’s JSON', () => {
    expect(decode(label)).toEqual({ paymentId: 'pay-1', label: 'fraud', source: 'chargeback', labelledAtMs: nowMs });
  });

  test('are refused with every bad field named', () => {
    const refusal = decode({ label: 'maybe', source: 'x', labelledAt: '2026-11-22T11:00:00Z', extra: 1 });
    expect(refusal).toMatchObject({
      code: 'invalid_label',
      fields: [
        { pointer: '/extra', code: 'unknown_field' },
        { pointer: '/paymentId', code: 'required' },
        { pointer: '/label', code: 'unknown_value' },
        { pointer: '/source', code: 'unknown_value' },
        { pointer: '/labelledAt', code: 'time_ahead' },
      ],
    });
    expect(decode([])).toMatchObject({ code: 'invalid_label', fields: [{ pointer: '', code: 'wrong_type' }] });
    expect(decodeLabel(Buffer.alloc(5000, 0x20), nowMs)).toMatchObject({ code: 'body_too_large' });
  });

  test('from any bytes are a label or a refusal that says something', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          const result = decodeLabel(bytes, nowMs);
          if (isRefusal(result)) expect(result.fields.length).toBeGreaterThan(0);
        },
      ),
    );
  });
});
