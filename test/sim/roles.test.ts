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
import type { Composition } from '../helpers/sim/plan.ts';
import { failureOf, limitsOf } from '../helpers/sim/report.ts';

const only = process.env['SIM_SEED'];
const histories = Number(process.env['SIM_HISTORIES'] ?? 3000);
/** Runs begin so far from each other. */
const seedsPerRun = 1000;
const firstSeed = testSeed() * seedsPerRun;
const timeoutMs = 60_000 + 200 * histories;

/** Histories that fail without what mended the product, by what that was. */
const regressions: Readonly<Record<Composition, readonly (readonly [string, readonly number[]])[]>> = {
  roles: [
    ['a conflict that only the claim shows becomes a dead letter', [37, 117]],
    ['a duplicate beside a conflicting payment is no dead letter', [186, 397]],
    ['the loser of two conflicting payments is not counted', [607, 836, 896]],
    ['a decision that stands after its record failed stays counted', [154, 631]],
    ['labels are counted by whoever reads their topic, and not taken back by another', [845, 1163]],
    ['what runs out of time in one process and is decided by another stays counted', [174094046, 216751681]],
  ],
  up: [],
};

let release: CompiledRelease;
beforeAll(async () => {
  release = await simulatedRelease();
});

async function expectToHold(seed: number, composition: Composition): Promise<void> {
  const failure = await failureOf(seed, release, { ...limitsOf(process.env), composition });
  if (failure !== undefined) throw new Error(failure);
}

const compositions = [
  { composition: 'roles', share: 0.75 },
  { composition: 'up', share: 0.25 },
] as const;

describe.each(compositions)('$composition over simulated engines', ({ composition, share }) => {
  const many = Math.round(share * histories);

  // Asked for one history, that one alone: nothing else is defined, so nothing counts as skipped.
  if (only !== undefined) {
    it(`keeps its promises in history ${only}`, () => expectToHold(Number(only), composition));
    return;
  }

  it('does the same again for the same seed, to the last digit', async () => {
    const run = () => runHistory(firstSeed, release, { composition, traced: true });
    const first = await run();
    expect(first.trace.length).toBeGreaterThan(0);
    expect((await run()).trace).toEqual(first.trace);
  });

  it.each(regressions[composition])('%s', async (_what, seeds) => {
    for (const seed of seeds) await expectToHold(seed, composition);
  });

  it(`keeps its promises in ${many} histories from seed ${firstSeed} on`, { timeout: timeoutMs }, async () => {
    for (let i = 0; i < many; i++) await expectToHold(firstSeed + i, composition);
  });
});
