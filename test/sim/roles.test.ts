/**
 * Guarantee: whatever the order in which things happen, and whatever dies, is slow, refuses or loses a reply on the way, once
 * the faults end every payment is decided once, every answer is what is in the decisions topic, every decided payment is
 * counted once, no position has overtaken a decision, what cannot be decided is a dead letter, and nothing hangs.
 *
 * The product's own code runs, in processes that are dropped at any await, over simulated engines and in virtual time; a
 * seed decides everything. SIM_HISTORIES: how many. SIM_SEED: only that one (docs/development.md).
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { CompiledRelease } from '../../src/releases/compile.ts';
import { testSeed } from '../helpers/crashPayments.ts';
import { runHistory } from '../helpers/sim/history.ts';
import { simulatedRelease } from '../helpers/sim/release.ts';
import { failureOf, limitsOf } from '../helpers/sim/report.ts';

const only = process.env['SIM_SEED'];
const histories = Number(process.env['SIM_HISTORIES'] ?? 3000);
/** Runs begin so far from each other. */
const seedsPerRun = 1000;
const firstSeed = testSeed() * seedsPerRun;
const timeoutMs = 60_000 + 200 * histories;

/** Histories that once failed, by what they found. */
const regressions = {
  'a conflict that only the claim shows becomes a dead letter': [173, 288],
  'a payment that comes again beside a conflicting one is no dead letter': [73, 328, 363],
  'the loser of two conflicting payments is not counted': [250, 154],
  'a decision that stands after its record failed stays counted': [1081, 4073],
  'a claim is published only by its own decision': [3524],
  'the spool goes on when reading its disk fails, and does not sleep beside a message': [74, 123, 113, 133],
} as const;

let release: CompiledRelease;
beforeAll(async () => {
  release = await simulatedRelease();
});

async function expectToHold(seed: number): Promise<void> {
  const failure = await failureOf(seed, release, limitsOf(process.env));
  if (failure !== undefined) throw new Error(failure);
}

describe.runIf(only !== undefined)('the roles over simulated engines', () => {
  it(`keep their promises in history ${only}`, () => expectToHold(Number(only)));
});

describe.skipIf(only !== undefined)('the roles over simulated engines', () => {
  it('do the same again for the same seed, to the microsecond', async () => {
    const seed = firstSeed;
    const [first, second] = [
      await runHistory(seed, release, { traced: true }),
      await runHistory(seed, release, { traced: true }),
    ];
    expect(first.trace.length).toBeGreaterThan(0);
    expect(second.trace).toEqual(first.trace);
  });

  it.each(Object.entries(regressions))('%s', async (_what, seeds) => {
    for (const seed of seeds) await expectToHold(seed);
  });

  it(`keep their promises in ${histories} histories from seed ${firstSeed} on`, { timeout: timeoutMs }, async () => {
    for (let i = 0; i < histories; i++) await expectToHold(firstSeed + i);
  });
});
