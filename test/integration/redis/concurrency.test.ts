/**
 * Guarantee: however many processes append to, label, compact and take out of the same entities at the same time, each payment
 * sees itself and every one before it, once, and nothing is lost when an entity is rewritten.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { seededRandom } from '../../helpers/journalHistory.ts';
import { emptyRedis, redisVelocity, type RedisVelocityUnderTest } from '../../helpers/redisStores.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../../helpers/services/redis.ts';

const needed = requires('redis');
const startMs = Date.UTC(2026, 0, 5);
const processes = 3;
const batchesEach = 40;
const batchRows = 8;
const program = compileFeatures({
  version: 1,
  features: [
    { entity: 'customer', aggregate: 'count', windows: ['1h'] },
    { entity: 'terminal', aggregate: 'count', windows: ['1h'] },
    { entity: 'terminal', aggregate: 'fraudRate', windows: ['1h'] },
  ],
});

describe.skipIf(!needed.met)('processes that share entities in Redis', { timeout: 60_000 }, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ program: needed.path });
  });
  afterAll(() => server.stop());
  beforeEach(() => emptyRedis(server.url));

  async function withProcesses(copiesBytesMax: number, use: (all: RedisVelocityUnderTest[]) => Promise<void>) {
    const all = await Promise.all(
      Array.from({ length: processes }, () => redisVelocity(server.url, program, { copiesBytesMax })),
    );
    try {
      await use(all);
    } finally {
      await Promise.all(all.map((each) => each.dispose()));
    }
  }

  /** Rows of [customer count, terminal count, fraud rate]. */
  async function append({ velocity }: RedisVelocityUnderTest, payments: readonly Payment[]): Promise<number[][]> {
    const out = createFeatureMatrix(3, payments.length);
    await velocity.appendAndRead('default', payments, out, 1);
    return payments.map((_, row) => [...out.values.subarray(3 * row, 3 * row + 3)]);
  }

  let made = 0;
  const paid = (customer: number, atMs = startMs): Payment =>
    Object.assign(new Payment(), {
      currency: 'EUR',
      paymentId: `p${made++}`,
      occurredAtMs: atMs,
      customerId: `c${customer}`,
      terminalId: 't',
    });

  for (const copiesBytesMax of [1, 2 ** 20]) {
    test(`each see another count of the same moment, none twice (copies up to ${copiesBytesMax} bytes)`, async () => {
      await withProcesses(copiesBytesMax, async (all) => {
        const seen = await Promise.all(
          all.flatMap((each) =>
            Array.from({ length: batchesEach }, () =>
              append(
                each,
                Array.from({ length: batchRows }, () => paid(0)),
              ),
            ),
          ),
        );
        const counts = seen.flat().map(([, terminal]) => terminal);
        expect(counts.sort((a, b) => Number(a) - Number(b))).toEqual(counts.map((_, i) => i + 1));
      });
    });
  }

  for (const seed of [1, 2, 3]) {
    test(`agree with a recount after labels, duplicates and payments taken out at the same time (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const pick = (n: number): number => Math.floor(random() * n);
      await withProcesses(2 ** 20, async (all) => {
        const counted = new Map<Payment, { fraud: boolean }>();
        const work: Promise<unknown>[] = [];
        for (let round = 0; round < batchesEach; round++) {
          const batches = all.map(() => Array.from({ length: batchRows }, () => paid(pick(5), startMs + pick(1000))));
          for (const payment of batches.flat()) counted.set(payment, { fraud: false });
          await Promise.all(all.map((each, i) => append(each, batches[i] as Payment[])));
          const known = [...counted.keys()];
          const some = Array.from({ length: 4 }, () => known[pick(known.length)] as Payment);
          const fresh = batches.flat().filter((payment) => !some.includes(payment));
          const gone = fresh[pick(fresh.length)] as Payment;
          counted.delete(gone);
          // None of these waits for another; those that are taken out are touched by nothing else.
          all[pick(processes)]?.velocity.retract('default', gone);
          for (const payment of new Set(some)) {
            const entry = counted.get(payment);
            if (entry === undefined) continue;
            entry.fraud = true;
            const [marker, repeater] = [all[pick(processes)], all[pick(processes)]] as [
              (typeof all)[0],
              (typeof all)[0],
            ];
            work.push(marker.velocity.markLabel('default', payment, true), append(repeater, [payment]));
          }
          if (round % 8 === 7) await Promise.all(work.splice(0));
        }
        await Promise.all(work);
        await Promise.all(all.map(({ velocity }) => velocity.settled()));
        const last = paid(0, startMs + 1001);
        counted.set(last, { fraud: false });
        const [row] = await append(all[0] as RedisVelocityUnderTest, [last]);
        const frauds = [...counted.values()].filter(({ fraud }) => fraud).length;
        const customers = [...counted.keys()].filter(({ customerId }) => customerId === 'c0').length;
        expect(row).toEqual([customers, counted.size, frauds / counted.size]);
      });
    });
  }
});
