// Guarantee: an entity that was stored, or is going to be, is never taken for a new one; and hardly any new one for a stored one.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { IdFilter } from '../../../src/adapters/sqlite/idFilter.ts';
import { keyHash, StoredKeys } from '../../../src/adapters/sqlite/storedKeys.ts';

const keyOf = (text: string): Uint8Array => new TextEncoder().encode(`\u0007\u0000default\u0008\u0000customer${text}`);

it('knows every key that was added, here or by the thread that reads what is stored', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 80 })),
      fc.array(fc.uint8Array({ maxLength: 80 })),
      (here, there) => {
        const stored = new StoredKeys();
        const reader = new IdFilter(stored.memory);
        for (const key of here) stored.add(key);
        for (const key of there) reader.add(keyHash(key));
        stored.complete();
        for (const key of [...here, ...there]) expect(stored.mayHold(key)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

it('says "maybe" of everything until it was told what is stored, and of fewer than 1 % of new keys then', () => {
  const stored = new StoredKeys();
  for (let i = 0; i < 200_000; i++) stored.add(keyOf(`C-${i}`));
  expect(stored.mayHold(keyOf('new'))).toBe(true);
  stored.complete();
  let maybe = 0;
  for (let i = 0; i < 20_000; i++) if (stored.mayHold(keyOf(`N-${i}`))) maybe++;
  expect(maybe).toBeLessThan(200);
});
