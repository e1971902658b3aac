/**
 * Commands and their replies over one connection, where a reply can be lost on its way (by a proxy) while the connection goes
 * on: the client would then give every later command the reply of another. So each exchange ends with a mark, and only when
 * it comes back as it was sent do the replies before it belong to their commands.
 */
import type { Redis } from 'ioredis';
import { RedisUnavailable, redisUnavailable } from './errors.ts';

/** A connection on which nothing was answered in time for so long is made anew: what comes on it is late for ever. */
const silentMsMax = 3000;

type Commands = ReturnType<Redis['pipeline']>;

/** A reply of Redis, or the error that it answered with. */
export interface Result {
  readonly error: Error | undefined;
  readonly reply: unknown;
}

/** @returns a function that sends some commands in one go. @throws RedisUnavailable when not all were answered, each by its own reply */
export function createExchange(client: Redis): (fill: (commands: Commands) => void) => Promise<Result[]> {
  let marks = 0;
  let silentSinceMs: number | undefined;

  function onLate(): void {
    const nowMs = performance.now();
    silentSinceMs ??= nowMs;
    if (nowMs - silentSinceMs < silentMsMax) return;
    silentSinceMs = undefined;
    client.disconnect(true);
  }

  return async (fill) => {
    const mark = String(++marks);
    const commands = client.pipeline();
    fill(commands);
    commands.callBuffer('ECHO', mark);
    const answers = await commands.exec().catch((error: unknown) => {
      throw redisUnavailable(error);
    });
    const results = (answers ?? []).map(([error, reply]): Result => ({ error: error ?? undefined, reply }));
    const unanswered = results.find(({ error }) => error !== undefined && error.name !== 'ReplyError');
    if (unanswered !== undefined) {
      const failure = redisUnavailable(unanswered.error);
      if (failure.failure === 'timeout') onLate();
      throw failure;
    }
    silentSinceMs = undefined;
    if (String(results.pop()?.reply) === mark) return results;
    client.disconnect(true);
    throw new RedisUnavailable('disconnected', 'a reply was lost');
  };
}
