/**
 * Guarantee: whatever callers know of an entity, and however much of it they know, the append script puts each record in once,
 * tells of each whether it was there, and answers what makes the caller's knowledge whole again. Seeded; equal to its simulated twin.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { appendScript } from '../../../src/adapters/redis/scripts.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';
import { type RedisData, runScript } from '../../helpers/sim/redisScripts.ts';

const needed = requires('redis');
const key = 'v:{7}:entity';
const headBytes = 25;
const idBytes = 10;
const amountAt = 13;
const widths = [3, 4, 7] as const;
const recordBytes = amountAt + 7;
const header = Buffer.concat([Buffer.of(1, widths[0]), Buffer.alloc(18)]);
const plans = Buffer.alloc(28);
plans.set([recordBytes, amountAt]);
plans.writeUInt32LE(1000, 2);
plans.writeUInt16LE(40, 6);
header.copy(plans, 8);

/** A record's bytes, its amount as wide as any; the same payment has the same. */
function recordOf(payment: number, width: number): Buffer {
  const digest = createHash('sha256').update(String(payment)).digest();
  return Buffer.concat([digest.subarray(0, amountAt + width), Buffer.alloc(7 - width)]);
}

interface Step {
  readonly caller: number;
  readonly payments: readonly { readonly number: number; readonly width: number }[];
  readonly searchAll: boolean;
  readonly tells: boolean;
  readonly forgets: boolean;
}

const payment = fc.record({ number: fc.nat({ max: 400 }), width: fc.constantFrom(3, 3, 3, 3, 3, 3, 4, 7) });
const step: fc.Arbitrary<Step> = fc.record({
  caller: fc.nat({ max: 1 }),
  payments: fc.array(payment, { minLength: 1, maxLength: 12 }),
  searchAll: fc.boolean(),
  tells: fc.boolean(),
  forgets: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});
/** How many payments stand there before: values shorter and longer than what the script reads as a whole. */
const histories = fc.tuple(fc.constantFrom(0, 1, 30, 125, 130, 240), fc.array(step, { minLength: 1, maxLength: 25 }));

/** What a caller knows of the value: the first so many bytes of a generation. */
class Caller {
  known = Buffer.alloc(0);

  knows({ number }: Step['payments'][number]): boolean {
    return this.known.includes(recordOf(number, 0).subarray(0, idBytes));
  }

  request({ payments, searchAll, tells }: Step): Buffer {
    const head = Buffer.alloc(12);
    head.writeUInt8(searchAll ? 2 : 0, 1);
    this.known.copy(head, 2, 0, 4);
    head.writeUInt32LE(this.known.length, 6);
    head.writeUInt16LE(payments.length, 10);
    const records = payments.map((each) => {
      // Who does not have all of the value searched must tell what it knows to be there.
      const told = (tells || !searchAll) && this.knows(each) ? 128 : 0;
      return Buffer.concat([Buffer.of(each.width + told), recordOf(each.number, each.width)]);
    });
    return Buffer.concat([head, ...records]);
  }

  take(reply: Buffer, records: number): void {
    const body = reply.subarray(1 + records);
    this.known = reply[0] === 0x31 ? Buffer.concat([this.known, body]) : Buffer.from(body);
  }
}

describe.skipIf(!needed.met)('the append script', () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis({ program: needed.path });
    redis = new Redis(server.url);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  async function append(data: RedisData, request: Buffer): Promise<Buffer> {
    const args = [plans, request, Buffer.from('seed')];
    const [reply] = (await redis.callBuffer('EVAL', appendScript.lua, 1, key, ...args)) as Buffer[];
    expect(runScript(appendScript, data, [key], args, 0)).toEqual([reply]);
    expect(await redis.getBuffer(key)).toEqual(data.get(key) ?? null);
    return reply as Buffer;
  }

  test('puts in each record once, for callers that know all, some or nothing of the value, as its twin does', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ([before, steps]) => {
        await redis.flushall();
        const data: RedisData = new Map();
        const callers = [new Caller(), new Caller()];
        const there = new Set<number>();
        const first = Array.from({ length: before }, (_, n) => ({ number: 1000 + n, width: 3 }));
        const history: Step = { caller: 0, payments: first, searchAll: false, tells: false, forgets: false };
        for (const each of before === 0 ? steps : [history, ...steps]) {
          const caller = callers[each.caller] as Caller;
          if (each.forgets) caller.known = Buffer.alloc(0);
          const reply = await append(data, caller.request(each));
          const expected = each.payments.map(({ number }) => {
            const was = there.has(number);
            there.add(number);
            return was ? '1' : '0';
          });
          expect(reply.toString('latin1', 1, 1 + each.payments.length)).toBe(expected.join(''));
          caller.take(reply, each.payments.length);
          expect(caller.known).toEqual(data.get(key));
          const stride = amountAt + ((caller.known[6] ?? 0) & 7);
          expect(caller.known.length).toBe(headBytes + there.size * stride);
        }
        expect(await redis.ttl(key)).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });

  test('puts off the expiry of a long value and of a short one where it is told to, and keeps it where it is not', async () => {
    for (const events of [3, 300]) {
      await redis.flushall();
      const caller = new Caller();
      const one = (from: number, count: number): Step => ({
        caller: 0,
        payments: Array.from({ length: count }, (_, n) => ({ number: from + n, width: 3 })),
        searchAll: false,
        tells: true,
        forgets: false,
      });
      const call = async (asked: Step, what: number): Promise<void> => {
        const request = caller.request(asked);
        request.writeUInt8(what, 1);
        const args = [plans, request, Buffer.from('seed')];
        const [reply] = (await redis.callBuffer('EVAL', appendScript.lua, 1, key, ...args)) as Buffer[];
        caller.take(reply as Buffer, asked.payments.length);
      };
      await call(one(0, events), 0);
      await redis.expire(key, 50);
      await call(one(events, 1), 0);
      expect(await redis.ttl(key)).toBeLessThanOrEqual(50);
      await call(one(events + 1, 1), 1);
      expect(await redis.ttl(key)).toBeGreaterThan(900);
      expect(await redis.strlen(key)).toBe(headBytes + (events + 2) * (amountAt + 3));
    }
  });
});
