import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { degradedStages } from '../../../src/domain/decision.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import { deterministicId } from '../../../src/domain/ids.ts';
import { DecisionWriter } from '../../../src/pipeline/decisionWriter.ts';
import { degradedBit, degradedOf } from '../../../src/pipeline/serialise.ts';

const text = fc.string({ unit: 'binary', maxLength: 20 });
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
const steps = (scale: number) => fc.integer({ min: 0, max: scale }).map((value) => value / scale);
const probability = steps(1e9);

const time = fc.integer({ min: 0, max: 4e12 }).map((ms) => new Date(ms).toISOString());

const decision: fc.Arbitrary<Decision> = fc.record({
  decisionId: fc.uuid(),
  paymentId: text,
  tenantId: text,
  action: fc.constantFrom('allow', 'hold'),
  score: steps(1e6),
  reasons: fc.array(fc.record({ code: text, text, weight: probability }), { maxLength: 4 }),
  rules: fc.array(fc.record({ id: text, version: fc.nat() }), { maxLength: 4 }),
  model: fc.option(fc.record({ id: text, version: hash, probability })),
  releaseId: hash,
  degraded: fc.subarray([...degradedStages]),
  mode: fc.constant('live'),
  occurredAt: time,
  decidedAt: time,
  latencyMicros: fc.maxSafeNat(),
});

describe('serialising a decision', () => {
  // Guarantee: the hand-built JSON reads back as what was decided, fields in order, whatever characters the ids and texts hold.
  it('reads back as the decision', () => {
    fc.assert(
      fc.property(decision, (value) => {
        const writer = new DecisionWriter({ ...value, decidedAtMs: Date.parse(value.decidedAt) }, 1);
        const occurredAtMs = Date.parse(value.occurredAt);
        const parts = { ...value, occurredAtMs, probability: value.model?.probability ?? Number.NaN };
        const first = writer.write(parts);
        const second = writer.write(parts);
        const expected = { ...value, decisionId: deterministicId(value.tenantId, value.paymentId) };
        const texts = [writer.bytes.subarray(0, first), writer.bytes.subarray(first, second)];
        for (const bytes of texts) {
          const read = JSON.parse(Buffer.from(bytes).toString()) as Decision;
          expect(read).toEqual(expected);
          expect(Object.keys(read)).toEqual(Object.keys(expected));
        }
      }),
    );
  });

  // Guarantee: degraded stages survive their form as bits, in the contract's order.
  it('keeps degraded stages as bits', () => {
    fc.assert(
      fc.property(fc.subarray([...degradedStages]), (stages) => {
        const bits = stages.reduce((sum, stage) => sum | degradedBit(stage), 0);
        expect(degradedOf(bits)).toEqual(stages);
      }),
    );
  });
});
