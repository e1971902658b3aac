// Guarantee: whatever befalls the engines, the network and the processes while payments come, on the topic and over HTTP,
// - every payment has its decision in the topic, one by content (where Redis lost its claims: the first stands), and whoever
//   was answered was told that one,
// - a decision that was made without something says so,
// - the counters equal a naive count over the payments (where Redis lost its data: over those since),
// - the rows in ClickHouse are the decisions,
// and all of it without anyone's help, within seconds after the fault is over. Each run has a seed of its own; TEST_SEED repeats one.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Random } from '../../../src/simulator/random.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { checkCounts, checkDecisions, checkRows, everyDecision, recount } from '../../helpers/faults/check.ts';
import { faults } from '../../helpers/faults/faults.ts';
import { History } from '../../helpers/faults/history.ts';
import { recovered } from '../../helpers/faults/recovery.ts';
import { startWorld, type World } from '../../helpers/faults/world.ts';
import { requires } from '../../helpers/requirements.ts';
import { waitFor } from '../../helpers/server.ts';

const seed = testSeed();
const payments = 600;
const overHttp = 40;

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
      const prefix = `f${i}`;
      const { onTopic = payments, overHttp: posted = overHttp, mangle } = fault;
      const history = new History(world, random, { prefix, onTopic, overHttp: posted, mangle });
      const fed = history.run();
      const some = 50 + random.below(150);
      await waitFor('some decisions', () => Promise.resolve(history.decided() > some ? true : undefined));
      const fromMs = Date.now();
      const heal = await fault.strike(world, history, random);
      await heal();
      const window = { fromMs, toMs: Date.now() };
      const [recovery] = await Promise.all([recovered(world, history.sent()), fed]);
      const decided = await everyDecision(world, history.all);
      const twice = checkDecisions(history, decided, fault.forgets === true);
      if (fault.countedThroughout === true) checkCounts(history, decided);
      const probes = await recount(world, history, random, fault.forgets === true ? window : undefined);
      await fault.check?.(world, history, decided, window);
      await checkRows(world, prefix, await everyDecision(world, [...history.all, ...probes]));
      const degraded = [...decided.values()].filter((one) => one.degraded.length > 0).length;
      const repeated = [...decided.values()].filter(({ times }) => times > 1).length;
      const refused = [...history.refused].map(([code, times]) => `${times} ${code}`).join(', ') || 'none';
      process.stdout.write(
        `${name}, seed ${seed}: whole again after ${(recovery.ms / 1000).toFixed(1)} s (last: ${recovery.last}); ` +
          `of ${decided.size} decisions ${degraded} degraded, ${repeated} repeated, ${twice} made twice; refusals over HTTP: ${refused}\n`,
      );
    },
    150_000,
  );
});
