// Guarantee: a copy of an entity takes what its state needs and a little more, however often it has been compacted.
import { expect, it } from 'vitest';
import { EntityCopy } from '../../../src/adapters/redis/entityCopy.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { StateCell } from '../../../src/features/state.ts';

it('a copy of a copy is no larger', () => {
  const [plan] = compileFeatures({
    version: 1,
    features: [{ entity: 'customer', aggregate: 'count', windows: ['1h'] }],
  }).entities;
  if (plan === undefined) throw new Error('a program with one entity');
  const copy = new EntityCopy(plan, 1, 0, 0, new Uint8Array(1000));
  new StateCell().create(plan, copy.view, copy.bytes, 0);
  const first = copy.clone();
  let last = first;
  for (let i = 0; i < 10; i++) last = last.clone();
  expect(last.bytes.length).toBe(first.bytes.length);
  expect(first.bytes.length).toBeLessThan(copy.bytes.length);
});
