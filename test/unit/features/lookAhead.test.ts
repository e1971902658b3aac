// Guarantee: looking ahead at what an append will need reads nothing outside of the memory it was given, whatever a block that
// ends its chunk holds there.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Accelerator } from '../../../src/features/accelerator.ts';
import { PaymentFacts } from '../../../src/features/facts.ts';
import type { EntityPlan } from '../../../src/features/plan.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { makePayment } from './oracle.ts';

const plan = compileFeatures({
  version: 1,
  features: [
    { entity: 'customer', aggregate: 'sum', windows: ['1h', '7d'] },
    { entity: 'customer', aggregate: 'count', windows: ['1h'], delay: '24h' },
    { entity: 'customer', aggregate: 'distinct', field: 'merchant', windows: ['1h', '90d'] },
  ],
}).entities[0] as EntityPlan;
const stride = 20;

describe('looking ahead at the last block of a chunk', () => {
  it('stays inside it, with an accelerator that was never filled as with a valid one', () => {
    const accelerator = new Accelerator(plan);
    const facts = new PaymentFacts([plan]);
    const { fixedBytes } = accelerator.layout;
    const room = fc.uint8Array({ minLength: fixedBytes, maxLength: fixedBytes });
    fc.assert(
      fc.property(
        room,
        fc.constantFrom(0xff, 0),
        fc.integer({ min: 32, max: 200 }),
        fc.boolean(),
        (left, fill, count, valid) => {
          const tablesAt = fixedBytes + stride * count;
          const block = new Uint8Array(tablesAt + 6 * 16 * accelerator.layout.indexes.length).fill(fill);
          block.set(left);
          const view = new DataView(block.buffer);
          view.setUint16(0, valid ? count : 0xffff, true);
          view.setUint16(2, 16, true);
          if (valid) {
            for (let b = 0; b < plan.boundaries.length; b++) {
              view.setUint16(accelerator.layout.cursorsAt + 2 * b, count, true);
              view.setFloat64(accelerator.layout.timesAt + 8 * b, 0, true);
            }
          }
          facts.load(makePayment({ paymentId: 'P', occurredAtMs: Date.UTC(2026, 0, 5), merchantId: 'M' }));
          const touch = () => accelerator.touch(view, 0, tablesAt, fixedBytes, stride, count, facts);
          expect(touch()).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });
});
