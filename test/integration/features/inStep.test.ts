// Guarantee: 200,000 payments of the handbook, read as a backlog from four partitions keyed by customer, give terminals the
// same 7-day counts as one sequence does, whoever is faster: exactly in one process, and in two for all but 0.1 %.
import { describe, expect, it } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { InStepReader } from '../../../src/pipeline/inStep.ts';
import type { Message, StepMarks } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { Random } from '../../../src/simulator/random.ts';
import { MemoryLog } from '../../helpers/memoryLog.ts';
import { requires } from '../../helpers/requirements.ts';
import { handbookRows } from './handbookOracle.ts';

const handbook = requires('handbook');
const rowsMax = 200_000;
const partitions = 4;
const seeds = [1, 2, 3];
const program = compileFeatures({
  version: 1,
  features: [{ entity: 'terminal', aggregate: 'count', windows: ['7d'] }],
});
const clock = { nowMs: () => 0, monotonicMs: () => performance.now() };

async function rows(): Promise<Payment[]> {
  const payments: Payment[] = [];
  for await (const row of handbookRows(handbook.path)) {
    payments.push(
      Object.assign(new Payment(), {
        paymentId: row.id,
        occurredAtMs: row.timeMs,
        amountMinor: row.amountMinor,
        currency: 'EUR',
        customerId: row.customer,
        terminalId: row.terminal,
      }),
    );
    if (payments.length === rowsMax) break;
  }
  return payments;
}

/** Counts in the order in which batches come; each payment's count by its number. */
class Counter {
  readonly counts = new Int32Array(rowsMax);
  readonly #memory = createVelocityMemory(program);
  readonly #out = createFeatureMatrix(1, rowsMax);

  append(payments: readonly Payment[], numbers: readonly number[]): void {
    this.#memory.appendAndRead('default', payments, this.#out, 1);
    numbers.forEach((number, i) => {
      this.counts[number] = this.#out.values[i] as number;
    });
  }

  differing(other: Counter): number {
    return this.counts.reduce((sum, count, i) => sum + (count === other.counts[i] ? 0 : 1), 0) / rowsMax;
  }
}

const numberOf = (message: Message): number => Buffer.from(message.value).readUInt32LE();

/** A reader over some of the partitions; pages come in an order of their own. */
async function readerOf(payments: readonly Payment[], own: ReadonlySet<number>, marks: StepMarks | undefined) {
  const log = new MemoryLog(partitions);
  const all = payments.map((payment, number) => {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(number);
    return { key: payment.customerId, value };
  });
  await log.append(topics.payments, all);
  const subscription = await log.subscribe('g', topics.payments);
  const foreign = new Set(Array.from({ length: partitions }, (_, p) => p).filter((p) => !own.has(p)));
  return new InStepReader({
    clock,
    marks,
    entryOf: (message) => ({
      partition: message.partition,
      timeMs: (payments[numberOf(message)] as Payment).occurredAtMs,
      number: numberOf(message),
    }),
    subscription: Object.assign(Object.create(subscription) as typeof subscription, {
      poll: (max: number, waitMs: number, skip: ReadonlySet<number> = new Set()) =>
        subscription.poll(max, waitMs, new Set([...skip, ...foreign])),
      behind: () => new Set([...subscription.behind()].filter((partition) => own.has(partition))),
    }),
  });
}

function sharedMarks(): (member: number) => StepMarks {
  const places = new Map<number, number>();
  return (member) => ({
    exchange(placeMs) {
      if (placeMs === undefined) places.delete(member);
      else places.set(member, placeMs);
      const others = [...places].filter(([other]) => other !== member).map(([, place]) => place);
      return Promise.resolve(others.length === 0 ? undefined : Math.min(...others));
    },
  });
}

describe.skipIf(!handbook.met)('a backlog of the handbook', () => {
  it('is counted as one sequence is', { timeout: 240_000 }, async () => {
    const payments = await rows();
    const sequence = new Counter();
    sequence.append(payments, Array.from(payments.keys()));

    const alone = await readerOf(payments, new Set([0, 1, 2, 3]), undefined);
    const one = new Counter();
    for (let batch = await alone.next(256, 0); batch.length > 0; batch = await alone.next(256, 0)) {
      const numbers = batch.map(({ number }) => number);
      one.append(
        numbers.map((number) => payments[number] as Payment),
        numbers,
      );
    }
    const inOne = one.differing(sequence);

    const shares: number[] = [];
    for (const seed of seeds) {
      const random = new Random(seed);
      const marks = sharedMarks();
      const readers = [
        await readerOf(payments, new Set([0, 1]), marks(0)),
        await readerOf(payments, new Set([2, 3]), marks(1)),
      ] as const;
      const two = new Counter();
      for (let done = 0; done < payments.length; ) {
        // One of them is twice as fast as the other.
        const batch = await (random.below(3) === 0 ? readers[0] : readers[1]).next(256, 0);
        const numbers = batch.map(({ number }) => number);
        two.append(
          numbers.map((number) => payments[number] as Payment),
          numbers,
        );
        done += batch.length;
      }
      shares.push(two.differing(sequence));
    }
    process.stdout.write(`terminal counts unlike the sequence's: one process ${inOne}, two ${shares.join(', ')}\n`);
    expect(inOne).toBe(0);
    for (const share of shares) expect(share).toBeLessThan(0.001);
  });
});
