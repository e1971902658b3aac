// Guarantee: what Holdfast sends to a broker is, byte for byte, what kafkajs would have sent; also what it leaves to kafkajs.
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  groupMessages,
  originalGrouping,
  originalRequest,
  produceRequest,
  type ProduceOptions,
} from '../../../src/adapters/kafka/produceRequest.ts';
import { testSeed } from '../../helpers/crashPayments.ts';

const seed = testSeed();
const load = createRequire(import.meta.url);

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const text = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'binary', maxLength: 80 }));
const message = fc.record(
  { key: fc.oneof(text, bytes(70), fc.constant(null)), value: fc.oneof(bytes(9000), text, fc.constant(null)) },
  { requiredKeys: ['value'] },
);
const partition = fc.record({
  partition: fc.nat(1000),
  firstSequence: fc.nat(100_000),
  messages: fc.array(message, { minLength: 1, maxLength: 150 }),
});
const request = fc.record({
  acks: fc.constantFrom(-1, 1),
  timeout: fc.nat(60_000),
  producerId: fc.constant(-1),
  producerEpoch: fc.nat(30_000),
  topicData: fc.array(
    fc.record({ topic: fc.string({ minLength: 1 }), partitions: fc.array(partition, { minLength: 1, maxLength: 4 }) }),
    { maxLength: 3 },
  ),
});

async function encoded(make: typeof produceRequest, options: ProduceOptions): Promise<string> {
  const { buf, offset } = await make(options).encode();
  return buf.toString('hex', 0, offset);
}

describe('a produce request', () => {
  // Both take the time of the clock.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('has the bytes that kafkajs writes', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (options) => {
        expect(await encoded(produceRequest, options)).toBe(await encoded(originalRequest, options));
      }),
      { seed, numRuns: 100 },
    );
  });

  it.each([
    [
      'headers',
      { topicData: [{ topic: 't', partitions: [{ partition: 0, messages: [{ value: 'v', headers: { a: 'b' } }] }] }] },
    ],
    [
      'a time of its own',
      { topicData: [{ topic: 't', partitions: [{ partition: 0, messages: [{ value: 'v', timestamp: 7 }] }] }] },
    ],
    [
      'compression',
      { compression: 1, topicData: [{ topic: 't', partitions: [{ partition: 0, messages: [{ value: 'v' }] }] }] },
    ],
    [
      'a transaction',
      { transactionalId: 'x', topicData: [{ topic: 't', partitions: [{ partition: 0, messages: [{ value: 'v' }] }] }] },
    ],
  ] satisfies [string, Partial<ProduceOptions>][])('with %s is left to kafkajs', async (_, part) => {
    const options = { acks: -1, timeout: 1000, ...part } as ProduceOptions;
    expect(await encoded(produceRequest, options)).toBe(await encoded(originalRequest, options));
  });

  it('is what every version that kafkajs speaks is made from', () => {
    const { protocol } = load('kafkajs/src/protocol/requests/produce') as {
      protocol(of: {
        version: number;
      }): (options: ProduceOptions) => { request: { encode(): Promise<{ buf: Buffer }> } };
    };
    const options = {
      acks: -1,
      timeout: 1,
      topicData: [{ topic: 't', partitions: [{ partition: 0, messages: [{ key: 'k', value: 'v' }] }] }],
    };
    for (const version of [3, 7]) {
      expect(String(protocol({ version })(options).request.encode)).toBe(String(produceRequest(options).encode));
    }
  });
});

it('messages are shared out to partitions as kafkajs does', () => {
  const messages = Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, value: `${i}` }));
  const partitioner = ({ message: { value } }: { message: { value: unknown } }): number => Number(value) % 3;
  for (const partitionMetadata of [[], [0, 1, 2]]) {
    const given = { topic: 't', partitionMetadata, messages, partitioner };
    expect(groupMessages(given)).toEqual(originalGrouping(given));
  }
});
