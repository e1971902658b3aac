// Guarantee: the bytes of a command are those that the client itself would have sent, whatever its arguments.
import fc from 'fast-check';
import { Command } from 'ioredis';
import { expect, it } from 'vitest';
import { PackedCommand } from '../../../src/adapters/redis/packedCommand.ts';
import { testSeed } from '../../helpers/crashPayments.ts';

const seed = testSeed();
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('\ud800', 'a\udc00', '😀'));
const argument = fc.oneof(
  text,
  fc.integer({ min: 0 }),
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
);

it('is packed as the client packs it', () => {
  fc.assert(
    fc.property(fc.constantFrom('GET', 'EVALSHA'), fc.array(argument, { maxLength: 30 }), (name, args) => {
      const own = new PackedCommand(name, [...args]).toWritable();
      const theirs = new Command(name, [...args]).toWritable({});
      expect(own.equals(Buffer.from(theirs))).toBe(true);
    }),
    { seed },
  );
});
