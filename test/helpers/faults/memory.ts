/** Redis without memory: it answers reads, and refuses writes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { connected } from '../redisStores.ts';
import type { Fault } from './faults.ts';

const lastsMs = 2_000;
/** What is decided just before and after belongs to neither. */
const edgeMs = 300;

export const redisOutOfMemory: Fault = {
  name: 'Redis is out of memory',
  async strike({ redis }) {
    const connection = await connected(redis.url);
    await connection.call('CONFIG', ['SET', 'maxmemory', '1mb']);
    await sleep(lastsMs);
    return async () => {
      await connection.call('CONFIG', ['SET', 'maxmemory', '0']);
      await connection.close();
    };
  },
  check(_world, _history, decided, { fromMs, toMs }) {
    const during = [...decided].filter(
      ([, { decidedAtMs }]) => decidedAtMs > fromMs + edgeMs && decidedAtMs < toMs - edgeMs,
    );
    expect(during.length).toBeGreaterThan(0);
    // Whatever they would have been with their counters: not one is decided without them in silence.
    for (const [id, { degraded }] of during) expect(degraded, id).toContain('velocity:unavailable');
  },
};
