import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeRecord,
  encodedRecordBytes,
  encodeRecord,
  encodeRecordBytes,
  RecordFormatError,
  sameRecordId,
} from '../../../src/pipeline/codec.ts';
import type { DecisionRecord } from '../../../src/pipeline/ports.ts';

const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 128 });

const record: fc.Arbitrary<DecisionRecord> = fc
  .array(fc.tuple(fc.double(), fc.oneof(fc.constant(0), fc.double({ min: 0, noDefaultInfinity: true }))), {
    maxLength: 60,
  })
  .chain((cells) =>
    fc.record({
      tenantId: id,
      paymentId: id,
      occurredAtMs: fc.integer({ min: -8.64e15, max: 8.64e15 }),
      decision: fc.uint8Array({ maxLength: 600 }),
      payment: fc.uint8Array({ maxLength: 600 }),
      releaseId: hex,
      features: fc.constant(Float64Array.from(cells, ([value]) => value)),
      bounds: fc.constant(Float64Array.from(cells, ([, bound]) => bound)),
    }),
  );

/** All fields, read: a decoded record computes them when asked. */
function fields(value: DecisionRecord): Record<string, unknown> {
  const { tenantId, paymentId, occurredAtMs, releaseId } = value;
  const bits = (numbers: Float64Array): string[] => [...numbers].map((n) => (Object.is(n, -0) ? '-0' : String(n)));
  return {
    tenantId,
    paymentId,
    occurredAtMs,
    releaseId,
    decision: Buffer.from(value.decision).toString('hex'),
    payment: Buffer.from(value.payment).toString('hex'),
    features: bits(value.features),
    bounds: [...value.bounds].map(String),
  };
}

describe('the record codec', () => {
  test('what is encoded is decoded to the same, in exactly the number of bytes foretold', () => {
    fc.assert(
      fc.property(record, (original) => {
        const bytes = encodeRecordBytes(original);
        expect(bytes.length).toBe(encodedRecordBytes(original));
        expect(fields(decodeRecord(bytes))).toEqual(fields(original));
      }),
      { numRuns: 300 },
    );
  });

  test('records stand one after another in one buffer, shared memory or not, at any offset', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 5 }),
        fc.nat(13),
        fc.boolean(),
        (records, start, shared) => {
          const sizes = records.map(encodedRecordBytes);
          const total = start + sizes.reduce((sum, size) => sum + size, 0);
          const buffer = shared ? new SharedArrayBuffer(total) : new ArrayBuffer(total);
          const target = new Uint8Array(buffer).fill(0xff);
          const view = new DataView(buffer);
          let at = start;
          for (const each of records) at = encodeRecord(each, target, view, at);
          expect(at).toBe(total);
          at = start;
          records.forEach((each, i) => {
            const end = at + (sizes[i] as number);
            expect(fields(decodeRecord(target.slice(at, end)))).toEqual(fields(each));
            at = end;
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  test('bytes that are cut off, too long or of another version are refused, never half read', () => {
    fc.assert(
      fc.property(record, fc.nat(), (original, cut) => {
        const bytes = encodeRecordBytes(original);
        expect(() => decodeRecord(bytes.subarray(0, cut % bytes.length))).toThrow(RecordFormatError);
        expect(() => decodeRecord(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(RecordFormatError);
        const other = bytes.slice();
        other[0] = 2;
        expect(() => decodeRecord(other)).toThrow(RecordFormatError);
      }),
      { numRuns: 100 },
    );
  });

  test('two records are of the same payment exactly when tenant and payment id are the same', () => {
    const short = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 });
    fc.assert(
      fc.property(record, record, short, short, short, short, (one, other, t1, p1, t2, p2) => {
        const a = encodeRecordBytes({ ...one, tenantId: t1, paymentId: p1 });
        const b = encodeRecordBytes({ ...other, tenantId: t2, paymentId: p2 });
        expect(sameRecordId(a, b)).toBe(t1 === t2 && p1 === p2);
      }),
      { numRuns: 300 },
    );
  });

  test('a record that no decision can have is a programmer error', () => {
    const [sample] = fc.sample(record, { numRuns: 1, seed: 1 }) as [DecisionRecord];
    expect(() => encodeRecordBytes({ ...sample, releaseId: 'draft' })).toThrow(TypeError);
    expect(() => encodeRecordBytes({ ...sample, bounds: new Float64Array(sample.features.length + 1) })).toThrow(
      TypeError,
    );
  });
});
