/**
 * Guarantee: over any history, the features of a store shared by two processes equal those of the embedded store bit for
 * bit, values and bounds: late payments, duplicates, equal times, labels, payments taken out, several of one entity in one
 * batch, rings that overflow into buckets, whatever was compacted in between.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import { Payment } from '../../src/domain/payment.ts';
import type { FeatureDefinitions } from '../../src/features/definitions.ts';
import { createFeatureMatrix } from '../../src/features/frame.ts';
import { compileFeatures } from '../../src/features/program.ts';
import type { FeatureProgram } from '../../src/features/types.ts';
import type { VelocityStore } from '../../src/pipeline/ports.ts';

const windows = ['1m', '1h', '24h', '7d'];
/** What the customer was paid by others, whom payments name by `accountId` here. */
const received = { entity: 'customer', as: 'account' };
const definitions = (ringEventsMax: number): FeatureDefinitions => ({
  version: 1,
  ringEventsMax,
  filters: { small: { amountMinor: { max: 500 } } },
  features: [
    ...(['count', 'sum', 'mean', 'min', 'max', 'stddev', 'fraudRate'] as const).map((aggregate) => ({
      entity: 'customer',
      aggregate,
      windows,
    })),
    { entity: 'customer', aggregate: 'distinct', field: 'country', windows },
    { entity: 'customer', aggregate: 'distinct', field: 'device', windows, filter: 'small' },
    { entity: 'customer', aggregate: 'stddev', windows: ['24h'], filter: 'small' },
    { entity: 'customer', aggregate: 'sinceLast' },
    { entity: 'customer', aggregate: 'sinceFirst' },
    { entity: 'customer', aggregate: 'isFirst' },
    { entity: 'terminal', aggregate: 'count', windows, delay: '24h' },
    { entity: 'terminal', aggregate: 'fraudRate', windows, delay: '24h' },
    { entity: 'terminal', aggregate: 'distinct', field: 'customer', windows },
    { entity: 'customer+device', aggregate: 'isFirst' },
    { entity: 'customer+device', aggregate: 'count', windows: ['7d'] },
    ...(['count', 'sum', 'mean', 'min', 'max', 'stddev', 'fraudRate'] as const).map((aggregate) => ({
      ...received,
      aggregate,
      windows,
    })),
    { ...received, aggregate: 'distinct', field: 'customer', windows },
    { ...received, aggregate: 'sinceLast' },
    { ...received, aggregate: 'sinceFirst' },
    { ...received, aggregate: 'isFirst' },
    { entity: 'account', as: 'customer', aggregate: 'count', windows, filter: 'small' },
    { entity: 'account', as: 'customer', aggregate: 'distinct', field: 'account', windows: ['24h'], delay: '1h' },
    { entity: 'account+customer', as: 'customer+account', aggregate: 'isFirst' },
    { entity: 'account+customer', as: 'customer+account', aggregate: 'sinceLast' },
  ],
  derived: [
    ...windows.map((window) => ({
      name: `customer.paidByInCommon.${window}`,
      op: 'common' as const,
      of: [`customerAsAccount.distinct.customer.${window}`, `terminal.distinct.customer.${window}`],
    })),
    { name: 'customer.share', op: 'ratio', of: ['amountMinor', 'customer.mean.amountMinor.24h'] },
  ],
});

const hourMs = 3_600_000;
const startMs = Date.UTC(2026, 0, 5);

interface Paid {
  readonly gapMs: number;
  readonly fields: Partial<Payment>;
}
type Step =
  | { readonly kind: 'pay'; readonly process: 0 | 1; readonly paid: readonly Paid[] }
  | { readonly kind: 'again' | 'fraud' | 'legitimate' | 'retract'; readonly process: 0 | 1; readonly pick: number };

const gaps = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0, 0, 1, 59_999, 60_000) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: hourMs }) },
  { weight: 1, arbitrary: fc.integer({ min: -12 * hourMs, max: 0 }) },
);
const amounts = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 2000 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 2 ** 24 - 1, 2 ** 24, 2 ** 32, 9e15) },
);
const paid: fc.Arbitrary<Paid> = fc.record({
  gapMs: gaps,
  fields: fc.record({
    customerId: fc.constantFrom('C1', 'C1', 'C1', 'Zoë:2'),
    accountId: fc.constantFrom('C1', 'C1', 'Zoë:2', 'C3', undefined),
    terminalId: fc.constantFrom('T1', 'T2', undefined),
    deviceId: fc.constantFrom('D1', 'D2', 'D3', undefined),
    country: fc.constantFrom('DE', 'FR', 'NG', undefined),
    amountMinor: amounts,
  }),
});
const processes = fc.constantFrom(0 as const, 1 as const);
const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('pay' as const),
      process: processes,
      paid: fc.oneof(fc.array(paid, { minLength: 1, maxLength: 4 }), fc.array(paid, { minLength: 24, maxLength: 24 })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('again' as const, 'fraud' as const, 'legitimate' as const, 'retract' as const),
      process: processes,
      pick: fc.nat({ max: 1000 }),
    }),
  },
);

interface Shared {
  readonly stores: readonly [VelocityStore, VelocityStore];
  /** Resolves when everything asked for has happened. */
  settle(): Promise<void>;
  dispose(): Promise<void>;
}

/** The embedded store and the one under test, fed with the same. */
class Pair {
  readonly #program: FeatureProgram;
  readonly #memory: ReturnType<typeof createVelocityMemory>;
  readonly #shared: Shared;
  /** Payments put in and not taken out, and the process that put them in. */
  readonly #known: { readonly payment: Payment; readonly process: 0 | 1 }[] = [];
  #newestMs = startMs;
  #made = 0;

  constructor(program: FeatureProgram, shared: Shared) {
    this.#program = program;
    this.#memory = createVelocityMemory(program);
    this.#shared = shared;
  }

  async take(step: Step): Promise<void> {
    const store = this.#shared.stores[step.process];
    if (step.kind === 'pay') {
      const payments = step.paid.map((each) => this.#payment(each));
      this.#known.push(...payments.map((payment) => ({ payment, process: step.process })));
      await this.#append(store, payments);
      return;
    }
    // What was folded cannot be told from news: the stores may then say it differently, each within its bound.
    const recent = this.#known.slice(-5);
    const known = recent[step.pick % Math.max(1, recent.length)];
    if (known === undefined || known.payment.occurredAtMs < this.#newestMs - hourMs) return;
    const { payment } = known;
    if (step.kind === 'again') {
      // Delivered again, to the same process or the other: it found the payment counted, so it takes nothing out.
      const again = Object.assign(new Payment(), payment);
      await this.#append(store, [again]);
      store.retract('default', again);
      await this.#shared.settle();
    } else if (step.kind === 'retract') {
      this.#memory.retract('default', payment);
      this.#shared.stores[known.process].retract('default', payment);
      await this.#shared.settle();
      this.#known.splice(this.#known.indexOf(known), 1);
    } else {
      this.#memory.markLabel('default', { payment, fraud: step.kind === 'fraud' }, 1);
      await store.markLabel('default', payment, step.kind === 'fraud', 1);
    }
  }

  #payment({ gapMs, fields }: Paid): Payment {
    const occurredAtMs = this.#newestMs + gapMs;
    this.#newestMs = Math.max(this.#newestMs, occurredAtMs);
    const payment = Object.assign(
      new Payment(),
      { currency: 'EUR', paymentId: `P${this.#made++}`, occurredAtMs },
      fields,
    );
    return payment;
  }

  async #append(store: VelocityStore, payments: readonly Payment[]): Promise<void> {
    const { names } = this.#program;
    const [ours, theirs] = [0, 1].map(() => createFeatureMatrix(names.length, payments.length)) as [
      ReturnType<typeof createFeatureMatrix>,
      ReturnType<typeof createFeatureMatrix>,
    ];
    this.#memory.appendAndRead('default', payments, theirs, 1);
    await store.appendAndRead('default', payments, ours, 1);
    for (let i = 0; i < ours.values.length; i++) {
      const [value, bound] = [ours.values[i], ours.bounds[i]];
      if (Object.is(value, theirs.values[i]) && bound === theirs.bounds[i]) continue;
      const name = `${names[i % names.length]} of ${payments[Math.floor(i / names.length)]?.paymentId}`;
      expect.fail(`${name}: ${value} ± ${bound}, embedded ${theirs.values[i]} ± ${theirs.bounds[i]}`);
    }
  }
}

/** @param makeShared an empty store as two processes see it */
export function velocityEqualityConformance(
  name: string,
  makeShared: (program: FeatureProgram) => Promise<Shared>,
): void {
  describe(`velocity features equal the embedded store's: ${name}`, { timeout: 120_000 }, () => {
    async function follow(steps: readonly Step[], ringEventsMax: number): Promise<void> {
      const program = compileFeatures(definitions(ringEventsMax));
      const shared = await makeShared(program);
      try {
        const pair = new Pair(program, shared);
        for (const step of steps) await pair.take(step);
      } finally {
        await shared.dispose();
      }
    }

    test('with room in the ring', async () => {
      const histories = fc.asyncProperty(fc.array(stepOf, { maxLength: 60 }), (steps) => follow(steps, 2048));
      await fc.assert(histories, { numRuns: 60 });
    });

    test('with rings that overflow into buckets', async () => {
      const histories = fc.asyncProperty(
        fc.array(stepOf, { minLength: 10, maxLength: 60 }),
        fc.integer({ min: 16, max: 64 }),
        follow,
      );
      await fc.assert(histories, { numRuns: 60, endOnFailure: true });
    });
  });
}
