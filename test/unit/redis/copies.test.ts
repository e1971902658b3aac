// Guarantee: copies of entities stay within their bytes, and of those one goes that nobody has looked at for the longest time.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Copies } from '../../../src/adapters/redis/copies.ts';
import { EntityCopy } from '../../../src/adapters/redis/entityCopy.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { testSeed } from '../../helpers/crashPayments.ts';

const seed = testSeed();
const [plan] = compileFeatures({
  version: 1,
  features: [{ entity: 'customer', aggregate: 'count', windows: ['1h'] }],
}).entities;
const copyOf = (roomBytes: number): EntityCopy => {
  if (plan === undefined) throw new Error('a program with one entity');
  return new EntityCopy(plan, 1, 0, 0, new Uint8Array(roomBytes));
};
const copyBytes = copyOf(100).bytes.length;
const overheadBytes = 400;
const keyOf = (id: number): string => `key-${String(id).padStart(2, '0')}`;
const entryBytes = copyBytes + overheadBytes + keyOf(0).length;
const copiesMax = 5;

interface Known {
  readonly id: number;
  used: boolean;
}

/** The same by lists: the first that was not used since it came to its place goes; one that was goes to the end. */
class Model {
  known: Known[] = [];

  keep(id: number): void {
    if (!this.known.some((each) => each.id === id)) this.known.push({ id, used: false });
    while (this.known.length > copiesMax) {
      const first = this.known.shift() as Known;
      if (first.used) this.known.push({ id: first.id, used: false });
    }
  }

  get(id: number): boolean {
    const found = this.known.find((each) => each.id === id);
    if (found !== undefined) found.used = true;
    return found !== undefined;
  }
}

it('keeps those in use and stays within its bytes, in any order of keeping, looking and dropping', () => {
  const step = fc.record({ what: fc.constantFrom('keep', 'again', 'again', 'get', 'drop', 'clear'), id: fc.nat(11) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const copies = new Copies(copiesMax * entryBytes);
      const model = new Model();
      const made = new Map<number, EntityCopy>();
      for (const { what, id } of steps) {
        if (what === 'keep' || what === 'again') {
          // A copy that was kept, and may have been given up since, or replaced by another.
          const copy = (what === 'again' ? made.get(id) : undefined) ?? copyOf(100);
          made.set(id, copy);
          copies.keep(keyOf(id), copy);
          model.keep(id);
        } else if (what === 'get') expect(copies.get(keyOf(id)) !== undefined).toBe(model.get(id));
        else if (what === 'drop') {
          copies.drop(keyOf(id));
          model.known = model.known.filter((each) => each.id !== id);
        } else if (id === 0) {
          copies.clear();
          model.known = [];
        }
        expect(copies.size).toBe(model.known.length);
        expect(copies.bytes).toBe(copies.size * entryBytes);
      }
    }),
    { seed, numRuns: 300 },
  );
});
