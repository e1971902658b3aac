// Guarantee: a decision that went through the decisions topic is, byte for byte and bit for bit, what was recorded; whoever
// reads it needs nothing but JSON; and a message that is none is refused by name.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeDecisionMessage,
  DecisionMessageError,
  encodeDecisionMessage,
} from '../../../src/pipeline/decisionMessage.ts';
import type { DecisionRecord } from '../../../src/pipeline/ports.ts';

const text = fc.string({ unit: 'binary', maxLength: 60 });
const nasty = fc.constantFrom(',"payment":', ',"features":', '","payment":{"', '}}}', '\\","features":');
const anyText = fc.oneof(text, nasty);

/** What a payment may hold, and more; keys as hostile as attributes can be. */
const payment = fc.record({
  paymentId: text,
  attributes: fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('payment', 'features', 'value')), anyText),
});
const value = fc.oneof(fc.double(), fc.constant(Number.NaN), fc.constant(-0), fc.integer());
const bound = fc.oneof(fc.constant(0), fc.double({ min: 1e-9, noNaN: true }));

const message = fc
  .record({
    payment,
    spaced: fc.boolean(),
    reason: anyText,
    paymentId: anyText,
    cells: fc.array(fc.tuple(value, bound), { maxLength: 12 }),
  })
  .map(({ payment: body, spaced, reason, paymentId, cells }) => {
    const occurredAt = '2026-01-05T10:00:00.000Z';
    const decision = {
      paymentId,
      tenantId: 'default',
      reasons: [{ text: reason }],
      model: null,
      releaseId: 'r',
      occurredAt,
    };
    const record: DecisionRecord = {
      tenantId: 'default',
      paymentId,
      releaseId: 'r',
      occurredAtMs: Date.parse(occurredAt),
      decision: Buffer.from(JSON.stringify(decision)),
      payment: Buffer.from(JSON.stringify(body, null, spaced ? 2 : 0)),
      features: Float64Array.from(cells, ([v]) => (Number.isFinite(v) ? v : Number.NaN)),
      bounds: Float64Array.from(cells, ([, b]) => b),
    };
    return { record, names: cells.map((_, i) => `customer.count.${i + 1}h`) };
  });

const fields = ({ features, bounds, decision, payment: body, ...rest }: DecisionRecord) => ({
  ...rest,
  features: [...features],
  bounds: [...bounds],
  decision: Buffer.from(decision).toString(),
  payment: Buffer.from(body).toString(),
});

describe('a decision in its topic', () => {
  it('comes back as it was recorded', () => {
    fc.assert(
      fc.property(message, ({ record, names }) => {
        const bytes = encodeDecisionMessage(record, names);
        const read = decodeDecisionMessage(bytes);
        expect(fields(read.record)).toEqual(fields(record));
        expect(read.featureNames).toEqual(names);
      }),
    );
  });

  it('is one JSON document: the decision’s fields, the payment, and the features by name', () => {
    fc.assert(
      fc.property(message, ({ record, names }) => {
        const document = JSON.parse(Buffer.from(encodeDecisionMessage(record, names)).toString()) as Record<
          string,
          unknown
        >;
        const { payment: body, features, ...decision } = document;
        expect(decision).toEqual(JSON.parse(Buffer.from(record.decision).toString()));
        expect(body).toEqual(JSON.parse(Buffer.from(record.payment).toString()));
        expect(Object.keys(features as object)).toEqual(names);
      }),
    );
  });

  it('that is none is refused', () => {
    for (const bytes of ['', '{', '[]', '{"a":1,"payment":{},"features":{}}', '{"features":{},"payment":{}}']) {
      expect(() => decodeDecisionMessage(Buffer.from(bytes))).toThrow(DecisionMessageError);
    }
  });
});
