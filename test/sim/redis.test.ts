/** Guarantee: the simulated Redis does what the real one does with our scripts; the suites of the real adapters run on it. */
import { RedisDecisionCache } from '../../src/adapters/redis/decisionCache.ts';
import { RedisVelocityStore } from '../../src/adapters/redis/velocity.ts';
import type { FeatureProgram } from '../../src/features/types.ts';
import { ClaimedStore } from '../../src/pipeline/claimedStore.ts';
import { decisionStoreConformance, type StoreUnderTest } from '../conformance/decisionStore.ts';
import { velocityStoreConformance, type VelocityUnderTest } from '../conformance/velocityStore.ts';
import { MemoryDecisionStore } from '../helpers/memoryDecisionStore.ts';
import { MemoryTopics } from '../helpers/memoryTopics.ts';
import { claimedOptions } from '../helpers/redisStores.ts';
import { plainConnection } from '../helpers/sim/redis.ts';
import type { RedisData } from '../helpers/sim/redisScripts.ts';

function claims(data: RedisData, topics: MemoryTopics): StoreUnderTest {
  const cache = new RedisDecisionCache({ connection: plainConnection(data) });
  const decisions = new ClaimedStore({ cache, ...claimedOptions(topics) });
  return {
    decisions,
    log: topics,
    reopen: async () => {
      await decisions.close();
      return claims(data, topics);
    },
    dispose: () => decisions.close(),
  };
}

interface Options {
  readonly copiesBytesMax?: number;
}

function velocityOver(
  program: FeatureProgram,
  options: Options,
  data: RedisData,
  decisions = new MemoryDecisionStore(),
): VelocityUnderTest {
  const velocity = new RedisVelocityStore({ program, connection: plainConnection(data), ...options });
  const dispose = async (): Promise<void> => {
    await velocity.close();
  };
  return {
    velocity,
    decisions,
    reopen: async () => {
      await dispose();
      return velocityOver(program, options, data, decisions);
    },
    dispose,
  };
}

decisionStoreConformance('claims in the simulated redis', async () => claims(new Map(), new MemoryTopics()));
velocityStoreConformance('simulated redis', async (program) => velocityOver(program, {}, new Map()));
velocityStoreConformance('simulated redis, without copies', async (program) =>
  velocityOver(program, { copiesBytesMax: 1 }, new Map()),
);
