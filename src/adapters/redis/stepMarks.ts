/** Where each process of a group stands while it catches up, in Redis; see src/pipeline/inStep.ts. */
import { randomUUID } from 'node:crypto';
import type { StepMarks } from '../../pipeline/ports.ts';
import type { RedisConnection } from './connection.ts';
import { script } from './scripts.ts';

/** A process that says nothing for so long no longer holds the others back. */
const markMs = 3_000;

/**
 * KEYS 1: the group. ARGV 1: member, 2: its place or '', 3: life of a mark in ms. Answers the lowest place of the others,
 * or nil. Marks are forgotten by the server's clock: that is about who is alive, not about when payments were.
 */
const exchangeScript = script(`
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. (now + ARGV[3])) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local marks, lowest = redis.call('HGETALL', KEYS[1]), nil
for i = 1, #marks, 2 do
  local place, untilMs = string.match(marks[i + 1], '^(%S+) (%d+)$')
  if tonumber(untilMs) < now then redis.call('HDEL', KEYS[1], marks[i])
  elseif marks[i] ~= ARGV[1] and (not lowest or tonumber(place) < tonumber(lowest)) then lowest = place end
end
return lowest
`);

export function createStepMarks(connection: RedisConnection, group: string): StepMarks {
  const member = randomUUID();
  return {
    async exchange(placeMs) {
      try {
        const lowest = await connection.run(exchangeScript, [`step:${group}`], [member, placeMs ?? '', markMs]);
        return Buffer.isBuffer(lowest) ? Number(lowest.toString()) : undefined;
      } catch {
        // Nobody waits for what cannot be known.
        return undefined;
      }
    },
  };
}
