// Guarantee: whatever befalls the engines, the network and the processes while payments come, on the topic and over HTTP,
// - every payment has its decision in the topic, one by content, and whoever was answered was told that one,
// - a decision that was made without something says so,
// - the counters equal a naive count over the payments (where Redis lost its data: over those since, see the fault),
// - the rows in ClickHouse are the decisions,
// and all of it without anyone's help, within seconds after the fault is over. Each run has a seed of its own; TEST_SEED repeats one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../src/simulator/random.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { checkCounts, checkDecisions, checkRows, everyDecision, recount } from '../../helpers/faults/check.ts';
import { type Fault, faults } from '../../helpers/faults/faults.ts';
import { History } from '../../helpers/faults/history.ts';
import { recovered } from '../../helpers/faults/recovery.ts';
import { startWorld, type World } from '../../helpers/faults/world.ts';
import { requires } from '../../helpers/requirements.ts';
import { waitFor } from '../../helpers/server.ts';

const seed = testSeed();

describe.skipIf(!requires('kafka').met || !requires('redis').met)('the roles under load', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  }, 120_000);
  afterAll(() => world.close(), 60_000);

  it.each(faults.map((fault, i) => [fault.name, fault, i] as const))(
    `%s (seed ${seed})`,
    async (name, fault, i) => {
      const random = new Random(seed + i);
      const history = new History(world, random, {
        prefix: `f${i}`,
        onTopic: fault.onTopic ?? 800,
        overHttp: fault.overHttp ?? 60,
        mangle: fault.mangle,
      });
      const fed = history.run();
      await waitFor('some decisions', () => {
        const some = history.onTopic.filter(({ paymentId }) => world.tail.decided.has(paymentId)).length;
        return Promise.resolve(some > 50 + random.below(150) ? true : undefined);
      });
      const heal = await fault.strike(world, history, random);
      await heal();
      const healing = recovered(world);
      await fed;
      const recoveryMs = await healing;
      const decided = await everyDecision(world, history.all);
      const twice = checkDecisions(history, decided, fault.decidedTwiceMax ?? 0);
      if (fault.countedThroughout === true) checkCounts(history, decided);
      const probes = await recount(world, history, random, (counted, expected) => judge(fault, counted, expected));
      await fault.check?.(world, history, decided);
      await checkRows(world, history.prefix, await everyDecision(world, [...history.all, ...probes]));
      const degraded = [...decided.values()].filter((one) => one.degraded.length > 0).length;
      const repeated = [...decided.values()].filter(({ times }) => times > 1).length;
      const refused = [...history.refused].map(([code, times]) => `${times} ${code}`).join(', ') || 'none';
      process.stdout.write(
        `${name}, seed ${seed}: whole again after ${(recoveryMs / 1000).toFixed(1)} s; of ${decided.size} decisions ${degraded} degraded, ` +
          `${repeated} repeated, ${twice} made twice; refusals over HTTP: ${refused}\n`,
      );
    },
    120_000,
  );

  function judge(fault: Fault, counted: unknown, expected: unknown): void {
    if (fault.forgets !== true) expect(counted).toEqual(expected);
  }
});
