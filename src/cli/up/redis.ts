/** `up` with Redis: the velocity state is there instead of in this process. */
import type { Logger } from 'pino';
import { connectRedis } from '../../adapters/redis/connection.ts';
import { RedisVelocityStore } from '../../adapters/redis/velocity.ts';
import type { RedisSettings } from '../../config/redis.ts';
import type { FeatureProgram } from '../../features/types.ts';
import type { DependencyState } from '../../pipeline/service.ts';

/** Somebody may wait for the answer: the smaller part of the default deadline of 100 ms. */
const redisMs = 25;

export interface RedisSide {
  readonly store: RedisVelocityStore;
  dependency(): DependencyState;
  close(): Promise<void>;
}

export function openRedisVelocity(settings: RedisSettings, program: FeatureProgram, logger: Logger): RedisSide {
  const connection = connectRedis({
    ...settings,
    commandTimeoutMs: redisMs,
    onError: (error) => logger.warn({ err: error }, 'Redis'),
  });
  const store = new RedisVelocityStore({ program, connection, copiesBytesMax: settings.copiesBytesMax });
  return {
    store,
    dependency() {
      const { state, backlog, dropped } = store.state();
      if (connection.ready && state === 'up') return { name: 'redis', state: 'up' };
      return { name: 'redis', state: 'degraded', detail: `${backlog} payments wait, ${dropped} were dropped` };
    },
    async close() {
      await store.close();
      await connection.close();
    },
  };
}
