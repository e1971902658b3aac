/** The Redis adapters do what their embedded twins do: the same suites, over a real Redis. */
import { afterAll, beforeAll, describe } from 'vitest';
import { emptyRedis, redisClaims, redisVelocity } from '../helpers/redisStores.ts';
import { requires } from '../helpers/requirements.ts';
import { type RedisServer, startRedis } from '../helpers/services/redis.ts';
import { decisionStoreConformance } from './decisionStore.ts';
import { velocityEqualityConformance } from './velocityEquality.ts';
import { velocityStoreConformance } from './velocityStore.ts';

const program = requires('redis');

describe.skipIf(!program.met)('over Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ program: program.path });
  });
  afterAll(() => server.stop());

  decisionStoreConformance('claims in redis', async () => {
    await emptyRedis(server.url);
    return redisClaims(server.url);
  });
  velocityStoreConformance('redis', async (features) => {
    await emptyRedis(server.url);
    return redisVelocity(server.url, features);
  });
  // Hardly any copy is kept: nearly every reply is a whole value.
  velocityStoreConformance('redis, without copies', async (features) => {
    await emptyRedis(server.url);
    return redisVelocity(server.url, features, { copiesBytesMax: 1 });
  });
  velocityEqualityConformance('redis', async (features) => {
    await emptyRedis(server.url);
    const pair = [await redisVelocity(server.url, features), await redisVelocity(server.url, features)] as const;
    return {
      stores: [pair[0].velocity, pair[1].velocity],
      settle: async () => {
        await Promise.all(pair.map(({ velocity }) => velocity.settled()));
      },
      dispose: async () => {
        await Promise.all(pair.map((each) => each.dispose()));
      },
    };
  });
});
