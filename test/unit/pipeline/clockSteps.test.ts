// Guarantee: a machine's clock that is set, ahead or back, changes no counter, no decision and no deadline. What follows it is
// the time that a decision says it was made at, and whether a payment counts as dated ahead.
import { resolve } from 'node:path';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { Clock } from '../../../src/pipeline/clock.ts';
import { createPipelineMetrics } from '../../../src/pipeline/metrics.ts';
import { Pipeline } from '../../../src/pipeline/pipeline.ts';
import type { DecideResult } from '../../../src/pipeline/service.ts';
import { compileRelease } from '../../../src/releases/compile.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';
import { Random } from '../../../src/simulator/random.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { MemoryDecisionStore } from '../../helpers/memoryDecisionStore.ts';

const seed = testSeed();
const payments = 200;
const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 5);
const names = ['customer.count.24h', 'customer.sum.amountMinor.1h', 'customer.sinceLast'];
const release = await compileRelease(
  await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default')),
);

/** One history of payments, decided one after another by a clock that steps as it likes. */
async function decided(steps: (payment: number) => number) {
  const store = new MemoryDecisionStore();
  const memory = createVelocityMemory(release.features, {});
  let offsetMs = 0;
  const clock: Clock = { nowMs: () => startMs + 10 * dayMs + offsetMs, monotonicMs: () => performance.now() };
  const pipeline = new Pipeline({
    release,
    store,
    velocity: {
      inProcess: true,
      async appendAndRead(tenant, batch, out, number) {
        memory.appendAndRead(tenant, batch, out, number);
        return [];
      },
      retract: (tenant, payment) => memory.retract(tenant, payment),
      markLabel: async (tenant, payment, fraud, number) => memory.markLabel(tenant, { payment, fraud }, number),
    },
    pool: undefined,
    clock,
    metrics: createPipelineMetrics(new Registry()),
    onStageFailure: () => {},
  });
  const decide = (payment: object): Promise<DecideResult> => {
    const nowMs = performance.now();
    return pipeline.decide('default', Buffer.from(JSON.stringify(payment)), nowMs, nowMs + 10_000);
  };
  const random = new Random(seed);
  const outcomes: unknown[] = [];
  for (let i = 0; i < payments; i++) {
    offsetMs = steps(i);
    const paymentId = `p${i}`;
    const occurredAt = new Date(startMs + i * 60_000).toISOString();
    const result = await decide({
      paymentId,
      occurredAt,
      amountMinor: random.below(9000),
      currency: 'EUR',
      customerId: `c${i % 5}`,
    });
    if (result.kind !== 'decided') throw new Error(result.kind);
    const decision = JSON.parse(Buffer.from(result.decision).toString()) as Decision;
    expect(decision.decidedAt).toBe(new Date(clock.nowMs()).toISOString());
    expect(decision.latencyMicros).toBeLessThan(10_000_000);
    const record = store.records.get(`default/${paymentId}`);
    const features = names.map((name) => record?.features[release.features.names.indexOf(name)]);
    const { decidedAt: _, latencyMicros: __, ...rest } = decision;
    outcomes.push({ rest, features });
  }
  return { outcomes, decide, clock };
}

test(`steps of hours and days leave every decision and counter as it is (seed ${seed})`, async () => {
  const random = new Random(seed);
  const still = await decided(() => 0);
  const stepped = await decided(() => (random.below(2) === 0 ? -1 : 1) * random.below(9 * dayMs));
  expect(stepped.outcomes).toEqual(still.outcomes);
});

test('a payment dated ahead of a clock that was set back is refused, and can be sent again when the clock is right', async () => {
  let offsetMs = 0;
  const { decide, clock } = await decided((i) => (i === payments - 1 ? offsetMs : 0));
  const live = {
    paymentId: 'live',
    occurredAt: new Date(clock.nowMs() + 3_600_000).toISOString(),
    amountMinor: 1,
    currency: 'EUR',
    customerId: 'c',
  };
  expect(await decide(live)).toMatchObject({ kind: 'refused', refusal: { code: 'invalid_payment' } });
  offsetMs = 3_600_000;
  const right = await decided((i) => (i === payments - 1 ? offsetMs : 0));
  expect(await right.decide(live)).toMatchObject({ kind: 'decided' });
});
