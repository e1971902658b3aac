// Guarantee: what the velocity store promises of single payments: each sees itself and those before it, one counts once,
// fields that are missing make features missing, and tenants never see one another.
import { describe, expect, it } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { Payment } from '../../../src/domain/payment.ts';
import { unboundedBound } from '../../../src/features/derived.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import type { VelocityMemory } from '../../../src/features/types.ts';
import { makePayment } from './oracle.ts';

const hourMs = 3_600_000;
const nowMs = Date.UTC(2026, 0, 5);
const definitions = {
  version: 1,
  features: [
    { entity: 'customer', aggregate: 'count', windows: ['1h'] },
    { entity: 'customer', aggregate: 'sum', windows: ['1h'] },
    { entity: 'customer', aggregate: 'mean', windows: ['1h'], delay: '24h' },
    { entity: 'customer', aggregate: 'fraudRate', windows: ['1h'], delay: '24h' },
    { entity: 'customer', aggregate: 'sinceLast' },
    { entity: 'device', aggregate: 'count', windows: ['1h'] },
  ],
  derived: [{ name: 'customer.share', op: 'ratio', of: ['amountMinor', 'customer.sum.amountMinor.1h'] }],
} as const;
const program = compileFeatures(definitions);

function paid(id: string, atMs = nowMs, more: Partial<Payment> = {}): Payment {
  return makePayment({ paymentId: id, occurredAtMs: atMs, amountMinor: 100, ...more });
}

function read(memory: VelocityMemory, payments: readonly Payment[], name: string, tenant = 'default'): number[] {
  const { names } = memory.program;
  const out = createFeatureMatrix(names.length, payments.length);
  memory.appendAndRead(tenant, payments, out, 1);
  return payments.map((_, row) => out.values[row * names.length + names.indexOf(name)]!);
}

const oneTo24 = Array.from({ length: 24 }, (_, i) => i + 1);

describe('a payment', () => {
  it('of 24 at one moment sees itself and those before it, in one batch or one by one', () => {
    const payments = oneTo24.map((n) => paid(`P${n}`));
    expect(read(createVelocityMemory(program), payments, 'customer.count.1h')).toEqual(oneTo24);
    const memory = createVelocityMemory(program);
    expect(payments.flatMap((payment) => read(memory, [payment], 'customer.count.1h'))).toEqual(oneTo24);
    // Sent again, each sees what it saw the first time.
    expect(read(memory, payments.toReversed(), 'customer.count.1h')).toEqual(oneTo24.toReversed());
  });

  it('is counted wherever its entity stands in memory, at the very end of a chunk too', { timeout: 120_000 }, () => {
    // Two chunks of 64 MiB are filled without a gap: with such ids an entity and its two payments take 128 bytes.
    const memory = createVelocityMemory(compileFeatures({ version: 1, features: [definitions.features[0]] }));
    const customers = 1_100_000;
    const step = 250;
    const seen = new Set<number>();
    const out = createFeatureMatrix(1, step);
    for (let round = 0; round < 2; round++) {
      for (let from = 0; from < customers; from += step) {
        const payments = Array.from({ length: step }, (_, i) =>
          paid(`P${round}`, nowMs + round, { customerId: String(from + i).padStart(64) }),
        );
        memory.appendAndRead('default', payments, out, 1);
        for (const count of out.values) seen.add(count - round);
      }
    }
    expect(memory.residentBytes).toBeGreaterThan(2 * 2 ** 26);
    expect([...seen]).toEqual([1]);
  });

  it('at the start of a window is out of it, at its end in it', () => {
    const memory = createVelocityMemory(program);
    const counts = read(
      memory,
      [paid('P1', nowMs - hourMs), paid('P2', nowMs - hourMs + 1), paid('P3')],
      'customer.count.1h',
    );
    expect(counts).toEqual([1, 2, 2]);
  });

  it('finds nothing in an empty window: count and fraud rate 0, mean missing', () => {
    const memory = createVelocityMemory(program);
    expect(read(memory, [paid('P1')], 'customer.fraudRate.1h.delay24h')).toEqual([0]);
    expect(read(memory, [paid('P2')], 'customer.mean.amountMinor.1h.delay24h')).toEqual([Number.NaN]);
    expect(read(memory, [paid('P1')], 'customer.sinceLast')).toEqual([Number.NaN]);
  });

  it('without the entity’s field misses its features', () => {
    const memory = createVelocityMemory(program);
    expect(read(memory, [paid('P1'), paid('P2', nowMs, { deviceId: 'D1' })], 'device.count.1h')).toEqual([
      Number.NaN,
      1,
    ]);
  });

  it('of another tenant or customer is not seen', () => {
    const memory = createVelocityMemory(program);
    read(memory, [paid('P1')], 'customer.count.1h', 'one');
    expect(read(memory, [paid('P2')], 'customer.count.1h', 'two')).toEqual([1]);
    expect(read(memory, [paid('P3', nowMs, { customerId: 'C2' })], 'customer.count.1h', 'one')).toEqual([1]);
    expect(read(memory, [paid('P4')], 'customer.count.1h', 'one')).toEqual([2]);
  });

  it('divides by a sum of 0 to nothing', () => {
    const memory = createVelocityMemory(program);
    expect(read(memory, [paid('P1', nowMs, { amountMinor: 0 }), paid('P2')], 'customer.share')).toEqual([
      Number.NaN,
      1,
    ]);
  });
});

describe('a value that reaches beyond the records', () => {
  it('says so, and by how much it may be wrong; one that does not stays exact', () => {
    const folding = compileFeatures({
      version: 1,
      ringEventsMax: 8,
      features: [{ entity: 'customer', aggregate: 'count', windows: ['1m', '1h', '7d'] }],
    });
    const memory = createVelocityMemory(folding);
    const out = createFeatureMatrix(3, 1);
    const inexact = [0, 0, 0];
    for (let n = 0; n < 200; n++) {
      memory.appendAndRead('default', [paid(`P${n}`, nowMs + n * 30_000)], out, n);
      const truths = [Math.min(n + 1, 2), Math.min(n + 1, 120), n + 1];
      truths.forEach((truth, i) => {
        const bound = out.bounds[i]!;
        if (bound > 0) inexact[i] = inexact[i]! + 1;
        expect(bound).toBeLessThan(unboundedBound);
        expect(Math.abs(out.values[i]! - truth)).toBeLessThanOrEqual(bound);
      });
    }
    expect(inexact[0]).toBe(0);
    expect(inexact[1]).toBeGreaterThan(0);
    // Everything is inside of seven days: buckets that a window does not cut count exactly.
    expect(inexact[2]).toBe(0);
  });
});
