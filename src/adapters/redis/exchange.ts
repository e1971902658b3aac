/**
 * Commands and their replies over one connection, where a reply can be lost on its way (by a proxy) while the connection goes
 * on: the client would then give every later command the reply of another. So each exchange ends with a mark, and only when
 * it comes back as it was sent do the replies before it belong to their commands.
 */
import type { Redis } from 'ioredis';
import { RedisUnavailable, redisUnavailable } from './errors.ts';
import { PackedCommand } from './packedCommand.ts';

/** A connection on which nothing was answered in time for so long is made anew: what comes on it is late for ever. */
const silentMsMax = 3000;

type Argument = string | number | Buffer;
export type Send = (command: string, args: readonly Argument[]) => void;

/** A reply of Redis, or the error that it answered with. */
export interface Result {
  readonly error: Error | undefined;
  readonly reply: unknown;
}

/** @throws RedisUnavailable for a command that was not answered by Redis itself */
async function resultOf(answer: Promise<unknown>): Promise<Result> {
  try {
    return { error: undefined, reply: await answer };
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return { error, reply: undefined };
    throw redisUnavailable(error);
  }
}

/** @throws RedisUnavailable after so long; one timer for all, because the client's own costs each command one */
function inTime<T>(answers: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new RedisUnavailable('timeout', 'no answer in time'));
    const timer = setTimeout(late, timeoutMs);
    answers.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}

/**
 * Not the client's pipelines: each defines a property of its own, which makes V8 keep all that hangs on it until the next major
 * collection (10 kB a payment).
 * @param timeoutMs longest wait for the replies of one exchange
 * @returns a function that sends some commands in one go. @throws RedisUnavailable when not all were answered, each by its own reply
 */
export function createExchange(client: Redis, timeoutMs: number): (fill: (send: Send) => void) => Promise<Result[]> {
  let marks = 0;
  let silentSinceMs: number | undefined;

  function onLate(): void {
    const nowMs = performance.now();
    silentSinceMs ??= nowMs;
    if (nowMs - silentSinceMs < silentMsMax) return;
    silentSinceMs = undefined;
    client.disconnect(true);
  }

  /** All of it in one write. */
  function sent(fill: (send: Send) => void, mark: string): Promise<Result>[] {
    const results: Promise<Result>[] = [];
    const send: Send = (command, args) => {
      // Replies as Buffers.
      const packed = new PackedCommand(command, [...args], { replyEncoding: null });
      results.push(resultOf(client.sendCommand(packed) as Promise<unknown>));
    };
    // Before the first connection there is none; every command is refused then.
    const stream = client.stream as Redis['stream'] | undefined;
    stream?.cork();
    try {
      fill(send);
      send('ECHO', [mark]);
    } finally {
      stream?.uncork();
    }
    return results;
  }

  return async (fill) => {
    const mark = String(++marks);
    let results: Result[];
    try {
      results = await inTime(Promise.all(sent(fill, mark)), timeoutMs);
    } catch (error) {
      const failure = redisUnavailable(error);
      if (failure.failure === 'timeout') onLate();
      throw failure;
    }
    silentSinceMs = undefined;
    if (String(results.pop()?.reply) === mark) return results;
    client.disconnect(true);
    throw new RedisUnavailable('disconnected', 'a reply was lost');
  };
}
