// Guarantee: a key goes to the partition to which every other client of Kafka sends it.
import fc from 'fast-check';
import { type PartitionMetadata, Partitioners } from 'kafkajs';
import { expect, it } from 'vitest';
import { createKeyPartitioner, murmur2 } from '../../../src/adapters/kafka/partitioner.ts';
import { testSeed } from '../../helpers/crashPayments.ts';

const seed = testSeed();
const partition = { partitionErrorCode: 0, leader: 0, replicas: [], isr: [] };
const partitionsOf = (count: number): PartitionMetadata[] =>
  Array.from({ length: count }, (_, partitionId) => ({ ...partition, partitionId }));

it('for any key and number of partitions', () => {
  const key = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  const theirs = Partitioners.DefaultPartitioner();
  const ours = createKeyPartitioner();
  fc.assert(
    fc.property(key, fc.integer({ min: 1, max: 100 }), (of, count) => {
      const given = { topic: 't', partitionMetadata: partitionsOf(count), message: { key: of, value: 'v' } };
      expect(ours(given)).toBe(theirs(given));
    }),
    { seed, numRuns: 300 },
  );
});

it("for the keys that Kafka's own tests have", () => {
  const known = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536 };
  for (const [key, hash] of Object.entries(known)) expect(murmur2(Buffer.from(key))).toBe(hash);
});
