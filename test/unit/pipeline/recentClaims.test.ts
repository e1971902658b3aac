// Guarantee: a process remembers exactly its newest claims, in the order in which they were made or made again, and counts those that
// it had to give up before the cache heard of them.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DecisionRecord } from '../../../src/pipeline/ports.ts';
import { RecentClaims } from '../../../src/pipeline/recentClaims.ts';
import { testSeed } from '../../helpers/crashPayments.ts';

const seed = testSeed();
const max = 5;
const ids = 12;

const recordOf = (id: number): DecisionRecord => ({
  tenantId: 'default',
  paymentId: `p${id}`,
  occurredAtMs: id,
  decision: Buffer.from('{}'),
  payment: Buffer.from('{}'),
  releaseId: '0'.repeat(64),
  features: new Float64Array(0),
  bounds: new Float64Array(0),
});

it('keeps the newest claims, whatever was claimed again in between', () => {
  const claim = fc.record({ id: fc.nat(ids - 1), unclaimed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(claim, { maxLength: 60 }), (claims) => {
      const recent = new RecentClaims(max);
      let expected: { id: number; unclaimed: boolean }[] = [];
      let dropped = 0;
      for (const made of claims) {
        recent.add(recordOf(made.id), made.unclaimed);
        expected = [...expected.filter(({ id }) => id !== made.id), made];
        if (expected.length > max && expected.shift()?.unclaimed === true) dropped++;
      }
      const known = Array.from({ length: ids }, (_, id) => recent.find('default', `p${id}`) !== undefined);
      const wanted = known.map((_, id) => expected.some((each) => each.id === id));
      expect(known).toEqual(wanted);
      expect(recent.dropped).toBe(dropped);
      expect(recent.unclaimed).toBe(expected.filter(({ unclaimed }) => unclaimed).length);
    }),
    { seed },
  );
});
