/** The adapters over a private Redis, for tests; every test starts with an empty one. */
import {
  connectRedis,
  type RedisConnection,
  type RedisConnectionOptions,
} from '../../src/adapters/redis/connection.ts';
import { RedisDecisionCache, type RedisDecisionCacheOptions } from '../../src/adapters/redis/decisionCache.ts';
import { type RedisVelocityOptions, RedisVelocityStore } from '../../src/adapters/redis/velocity.ts';
import type { FeatureProgram } from '../../src/features/types.ts';
import { ClaimedStore, type ClaimedStoreOptions } from '../../src/pipeline/claimedStore.ts';
import type { StoreUnderTest } from '../conformance/decisionStore.ts';
import type { VelocityUnderTest } from '../conformance/velocityStore.ts';
import { MemoryDecisionStore } from './memoryDecisionStore.ts';
import { MemoryTopics } from './memoryTopics.ts';

const readyMs = 5000;
/** The machine is shared: a reply that takes long is no failure where failures are not what is tested. */
export const patientMs = 5000;

export async function connected(url: string, options: Partial<RedisConnectionOptions> = {}): Promise<RedisConnection> {
  const connection = connectRedis({ urls: [url], cluster: false, commandTimeoutMs: patientMs, ...options });
  if (await connection.whenReady(readyMs)) return connection;
  await connection.close();
  throw new Error('Redis did not become ready');
}

export async function emptyRedis(url: string): Promise<void> {
  const connection = await connected(url);
  await connection.call('FLUSHALL', []);
  await connection.close();
}

type VelocityOptions = Partial<Omit<RedisVelocityOptions, 'program' | 'connection'>>;

export interface RedisVelocityUnderTest extends VelocityUnderTest {
  readonly velocity: RedisVelocityStore;
  readonly connection: RedisConnection;
}

export async function redisVelocity(
  url: string,
  program: FeatureProgram,
  options: VelocityOptions = {},
  decisions = new MemoryDecisionStore(),
): Promise<RedisVelocityUnderTest> {
  const connection = await connected(url);
  const velocity = new RedisVelocityStore({ program, connection, ...options });
  const dispose = async (): Promise<void> => {
    await velocity.close();
    await connection.close();
  };
  return {
    velocity,
    connection,
    decisions,
    async reopen() {
      await dispose();
      return redisVelocity(url, program, options, decisions);
    },
    dispose,
  };
}

/** Options of a ClaimedStore that appends to these topics and minds nothing else. */
export function claimedOptions(topics: MemoryTopics): Omit<ClaimedStoreOptions, 'cache'> {
  return {
    append: (records) => topics.appendDecisions(records),
    appendLabels: () => Promise.resolve(),
    onAdopted: () => {},
    onFailure: () => {},
    waitedForMs: patientMs,
    unhurriedMs: patientMs,
  };
}

export async function redisClaims(
  url: string,
  options: Partial<RedisDecisionCacheOptions> = {},
  topics = new MemoryTopics(),
): Promise<StoreUnderTest> {
  const connection = await connected(url);
  const cache = new RedisDecisionCache({ connection, ...options });
  const decisions = new ClaimedStore({ cache, ...claimedOptions(topics) });
  const dispose = async (): Promise<void> => {
    await decisions.close();
    await connection.close();
  };
  return {
    decisions,
    log: topics,
    async reopen() {
      await dispose();
      return redisClaims(url, options, topics);
    },
    dispose,
  };
}
