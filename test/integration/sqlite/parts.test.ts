import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HotIds } from '../../../src/adapters/sqlite/hotIds.ts';
import { filterBytesFor, filterBytesMax, filterBytesMin, IdFilter } from '../../../src/adapters/sqlite/idFilter.ts';
import { createIdHash } from '../../../src/adapters/sqlite/idHash.ts';
import { planChunks, readChunk, writeChunk } from '../../../src/adapters/sqlite/logChunk.ts';
import {
  createRingMemory,
  RingConsumer,
  ringMessageBytesMax,
  RingProducer,
} from '../../../src/adapters/threads/byteRing.ts';

describe('byte ring', () => {
  const capacity = 512;

  test('whatever is written, read and released when, messages come out whole, in order, none lost', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('write' as const),
        bytes: fc.integer({ min: 0, max: ringMessageBytesMax(capacity) }),
      }),
      fc.constant({ kind: 'read' as const }),
      fc.constant({ kind: 'release' as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const memory = createRingMemory(capacity);
        const producer = new RingProducer(memory);
        const consumer = new RingConsumer(memory);
        const expected: { bytes: number; fill: number }[] = [];
        let written = 0;
        let unreleased: { end: number; offset: number; length: number; fill: number }[] = [];
        const checkUnreleased = (): void => {
          for (const { offset, length, fill } of unreleased) {
            expect(consumer.data.subarray(offset, offset + length).every((byte) => byte === fill)).toBe(true);
          }
        };
        for (const each of steps) {
          if (each.kind === 'write') {
            const offset = producer.reserve(each.bytes);
            if (offset < 0) {
              // An empty ring always has room for the largest message.
              expect(expected.length + unreleased.length).toBeGreaterThan(0);
              continue;
            }
            const fill = ++written % 251;
            producer.data.fill(fill, offset, offset + each.bytes);
            producer.publish(each.bytes);
            expected.push({ bytes: each.bytes, fill });
          } else if (each.kind === 'read') {
            const message = consumer.next();
            const next = expected.shift();
            expect(message?.length).toBe(next?.bytes);
            if (message !== undefined && next !== undefined) unreleased.push({ ...message, fill: next.fill });
          } else {
            const last = unreleased.at(-1);
            if (last !== undefined) consumer.release(last.end);
            unreleased = [];
          }
          checkUnreleased();
        }
      }),
      { numRuns: 300 },
    );
  });

  test('between two threads nothing is lost and nobody sleeps for ever', { timeout: 30_000 }, async () => {
    const memory = createRingMemory(4096);
    const source = `
      import { workerData, parentPort } from 'node:worker_threads';
      const { RingConsumer } = await import(workerData.module);
      const ring = new RingConsumer(workerData.memory);
      let sum = 0;
      for (let n = 0; n < workerData.messages; ) {
        const message = ring.next();
        if (message === undefined) { ring.wait(1000); continue; }
        sum += ring.data[message.offset] + message.length;
        ring.release(message.end);
        n++;
      }
      parentPort.postMessage(sum);`;
    const messages = 20_000;
    const module = new URL('../../../src/adapters/threads/byteRing.ts', import.meta.url).href;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { memory, messages, module },
    });
    const answer = new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    const producer = new RingProducer(memory);
    let expected = 0;
    for (let n = 0; n < messages; ) {
      const bytes = 1 + ((n * 37) % 300);
      const offset = producer.reserve(bytes);
      if (offset < 0) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      producer.data[offset] = n % 256;
      producer.publish(bytes);
      expected += (n % 256) + bytes;
      n++;
    }
    expect(await answer).toBe(expected);
    await worker.terminate();
  });
});

describe('id filter', () => {
  test('what was added may be contained, always; what was not is usually known to be absent', () => {
    const hash = createIdHash('0123456789abcdef');
    const filter = new IdFilter(new SharedArrayBuffer(filterBytesMin));
    for (let i = 0; i < filter.capacity; i++) filter.add(hash('default', `in-${i}`));
    let falsely = 0;
    for (let i = 0; i < filter.capacity; i++)
      if (!filter.mayContain(hash('default', `in-${i}`))) throw new Error('a false "absent"');
    for (let i = 0; i < 100_000; i++) if (filter.mayContain(hash('default', `out-${i}`))) falsely++;
    expect(falsely / 100_000).toBeLessThan(0.006);
  });

  test('its memory is within bounds, for any number of ids', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1_000_000_000 }), (ids) => {
        const bytes = filterBytesFor(ids);
        expect(bytes).toBeGreaterThanOrEqual(filterBytesMin);
        expect(bytes).toBeLessThanOrEqual(filterBytesMax);
        expect(Number.isInteger(Math.log2(bytes))).toBe(true);
      }),
    );
  });
});

describe('id hash', () => {
  test('it is a safe integer below 2^52, depends on the key, and tells the two texts apart', () => {
    const one = createIdHash('0123456789abcdef');
    const other = createIdHash('0123456789abcdee');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (tenant, id) => {
        const value = one(tenant, id);
        expect(Number.isInteger(value) && value >= 0 && value < 2 ** 52).toBe(true);
        expect(one(tenant, id)).toBe(value);
        expect(other(tenant, id)).not.toBe(value);
        if (tenant !== id) expect(one(id, tenant)).not.toBe(value);
        if (id !== '') expect(one(tenant + id.charAt(0), id.slice(1))).not.toBe(value);
      }),
    );
    const seen = new Set<number>();
    for (let i = 0; i < 200_000; i++) seen.add(one('default', `payment-${i}`));
    expect(seen.size).toBe(200_000);
  });
});

describe('newest ids', () => {
  test('they behave like a plain list, also where two payments share a hash', () => {
    const step = fc.tuple(
      fc.constantFrom('add', 'add', 'add', 'remove', 'drop'),
      fc.nat(5),
      fc.integer({ min: 1, max: 6000 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const hot = new HotIds();
        let model: { hash: number; seq: number }[] = [];
        let seq = 0;
        let dropped = 0;
        for (const [kind, hash, jump] of steps) {
          if (kind === 'add') {
            seq += jump;
            hot.add(hash, seq);
            model.push({ hash, seq });
          } else if (kind === 'remove') {
            const last = model.pop();
            if (last !== undefined) hot.remove(last.hash, last.seq);
          } else {
            dropped = seq - jump;
            hot.dropThrough(dropped);
            // Whole generations only: what is dropped late is found once more, which does no harm.
            model = model.filter((each) => hot.find(each.hash).includes(each.seq));
            for (const { seq: left } of model) expect(left > dropped - 2 * 8192 || left > dropped).toBe(true);
          }
          for (let h = 0; h <= 5; h++) {
            const found = model.filter((each) => each.hash === h).map((each) => each.seq);
            expect([...hot.find(h)].sort((a, b) => a - b)).toEqual(found);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('an id above the dropped seq is never dropped', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50_000 }), fc.integer({ min: 1, max: 50_000 }), (seq, through) => {
        const hot = new HotIds();
        hot.add(1, seq);
        hot.dropThrough(through);
        if (seq > through) expect(hot.find(1)).toEqual([seq]);
      }),
    );
  });
});

describe('log chunks', () => {
  test('messages are packed within the bounds and come back the same', () => {
    const message = fc.record({
      key: fc.string({ unit: 'grapheme', maxLength: 20 }),
      value: fc.uint8Array({ maxLength: 3000 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 300 }), (messages) => {
        const plans = planChunks(messages);
        const back = plans.flatMap((plan) => {
          const target = new Uint8Array(plan.bytes + 3);
          writeChunk(messages, plan, target, 3);
          return [...readChunk(target.subarray(3))];
        });
        expect(back).toEqual(messages);
      }),
      { numRuns: 60 },
    );
  });
});
