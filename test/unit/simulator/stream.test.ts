import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLiveFeed, createPaymentStream, type PaymentStreamOptions } from '../../../src/simulator/stream.ts';
import { scenarios, type SimulatedPayment } from '../../../src/simulator/types.ts';

const options: PaymentStreamOptions = {
  seed: 7,
  customers: 150,
  terminals: 800,
  days: 3,
  startMs: Date.UTC(2026, 0, 5),
  profile: 'full',
  attacksPerDay: 4,
};
const make = (changes: Partial<PaymentStreamOptions> = {}): SimulatedPayment[] => [
  ...createPaymentStream({ ...options, ...changes }),
];
const share = (payments: SimulatedPayment[], test: (payment: SimulatedPayment) => boolean): number =>
  payments.filter(test).length / payments.length;

describe('the simulation is a pure function of its options', () => {
  test('the same options give the same bytes, another seed gives others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0 }), fc.constantFrom('handbook' as const, 'full' as const), (seed, profile) => {
        const text = JSON.stringify(make({ seed, profile }));
        expect(JSON.stringify(make({ seed, profile }))).toBe(text);
        expect(JSON.stringify(make({ seed: seed + 1, profile }))).not.toBe(text);
      }),
      { numRuns: 5 },
    );
  });

  test('more days only add payments after those of fewer days', () => {
    const short = make({ days: 2 });
    expect(make({ days: 3 }).slice(0, short.length)).toEqual(short);
  });

  test('payments come in time order with unique ids, and whoever is labelled fraud has a scenario that says why', () => {
    const payments = make();
    expect(new Set(payments.map(({ payment }) => payment.paymentId)).size).toBe(payments.length);
    payments
      .slice(1)
      .forEach((payment, i) => expect(payment.occurredAtMs).toBeGreaterThanOrEqual(payments[i]!.occurredAtMs));
    for (const { payment, occurredAtMs, label, scenario } of payments) {
      expect(Date.parse(payment.occurredAt)).toBe(occurredAtMs);
      expect(Number.isSafeInteger(payment.amountMinor) && payment.amountMinor >= 0).toBe(true);
      expect(label === 'fraud').toBe(scenario !== 'normal');
    }
  });
});

describe("the handbook's process is the published one", () => {
  const payments = make({ profile: 'handbook', customers: 400, terminals: 1500, days: 20 });

  test('a customer pays twice a day on average, less what falls out of the day', () => {
    const perDay = payments.length / 400 / 20;
    expect(perDay).toBeGreaterThan(1.75);
    expect(perDay).toBeLessThan(2.1);
  });

  test('the time of day is normal around noon with 20,000 s', () => {
    const withinOneDeviation = share(
      payments,
      ({ occurredAtMs }) => Math.abs((occurredAtMs % 86_400_000) / 1000 - 43_200) < 20_000,
    );
    expect(withinOneDeviation).toBeGreaterThan(0.68);
    expect(withinOneDeviation).toBeLessThan(0.74);
  });

  test('all three scenarios occur, scenario 1 is every unraised amount over 220, and nothing else does', () => {
    expect(new Set(payments.map(({ scenario }) => scenario))).toEqual(
      new Set(['normal', 'handbook-1', 'handbook-2', 'handbook-3']),
    );
    for (const { payment, scenario } of payments) {
      if (scenario === 'normal') expect(payment.amountMinor).toBeLessThanOrEqual(22_000);
      if (scenario === 'handbook-1') expect(payment.amountMinor).toBeGreaterThanOrEqual(22_000);
    }
  });

  test('a terminal drawn for scenario 2 has nothing but frauds while it is compromised', () => {
    const days = new Map<string, Set<string>>();
    for (const { payment, occurredAtMs, scenario } of payments) {
      const key = `${payment.terminalId} ${Math.floor(occurredAtMs / 86_400_000)}`;
      days.set(key, (days.get(key) ?? new Set()).add(scenario));
    }
    for (const seen of days.values())
      if (seen.has('handbook-2')) expect(seen.has('normal') || seen.has('handbook-1')).toBe(false);
  });
});

describe('the attack scenarios', () => {
  test('every scenario occurs in a full simulation of enough days', () => {
    expect(new Set(make({ days: 20, attacksPerDay: 6 }).map(({ scenario }) => scenario))).toEqual(new Set(scenarios));
  });
});

describe('the live feed', () => {
  const startMs = Date.UTC(2026, 0, 5, 12);
  const run = (seconds: number): SimulatedPayment[] => {
    const feed = createLiveFeed({ seed: 3, nowMs: startMs, ratePerSecond: 40 });
    return Array.from({ length: seconds }, (_, s) => feed.due(startMs + (s + 1) * 1000)).flat();
  };

  test('the same seed and times give the same payments; a feed that starts later has other ids', () => {
    expect(run(60)).toEqual(run(60));
    const later = createLiveFeed({ seed: 3, nowMs: startMs + 1, ratePerSecond: 40 }).due(startMs + 1000);
    const ids = new Set(run(60).map(({ payment }) => payment.paymentId));
    expect(later.some(({ payment }) => ids.has(payment.paymentId))).toBe(false);
  });

  test('it gives about the rate asked for, 2 to 5 % of it fraud, in event times up to now and in order', () => {
    const payments = run(1800);
    expect(payments.length / 1800).toBeGreaterThan(36);
    expect(payments.length / 1800).toBeLessThan(44);
    const fraud = share(payments, ({ label }) => label === 'fraud');
    expect(fraud).toBeGreaterThan(0.02);
    expect(fraud).toBeLessThan(0.05);
    expect(payments.every(({ occurredAtMs }, i) => occurredAtMs >= (payments[i - 1]?.occurredAtMs ?? startMs))).toBe(
      true,
    );
  });

  test('a time asked for twice gives nothing twice, and a long sleep does not end in a flood', () => {
    const feed = createLiveFeed({ seed: 3, nowMs: startMs, ratePerSecond: 40 });
    feed.due(startMs + 1000);
    expect(feed.due(startMs + 1000)).toEqual([]);
    expect(feed.due(startMs + 3_600_000).length).toBeLessThan(1000);
  });
});
