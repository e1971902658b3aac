/** What Redis refused or did not answer, without anything of the command: its arguments are personal data. */
export type RedisFailure = 'timeout' | 'disconnected' | 'refused' | 'catching up' | 'damaged' | 'busy';

/** Redis is away, slow, or refuses to write (out of memory, read only). The message names no key and no value. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
  readonly failure: RedisFailure;

  constructor(failure: RedisFailure, detail: string) {
    super(`Redis: ${failure} (${detail})`);
    this.failure = failure;
  }
}

/** The first word of a Redis error is its code; nothing after it is repeated. */
const codePattern = /^[A-Z][A-Z0-9]{1,19}(?= |$)/;

/** Any error of the client as ours. Errors of ioredis carry the whole command, so the original is not kept. */
export function redisUnavailable(error: unknown): RedisUnavailable {
  if (error instanceof RedisUnavailable) return error;
  if (!(error instanceof Error)) return new RedisUnavailable('disconnected', 'unknown error');
  if (error.message === 'Command timed out') return new RedisUnavailable('timeout', 'no answer in time');
  const code = codePattern.exec(error.message)?.[0];
  if (error.name === 'ReplyError' && code !== undefined) {
    // Inside of a script the refusal of a command comes as text of the script's own error.
    return new RedisUnavailable('refused', error.message.includes('OOM command not allowed') ? 'OOM' : code);
  }
  if ('code' in error && typeof error.code === 'string') return new RedisUnavailable('disconnected', error.code);
  return new RedisUnavailable('disconnected', error.name);
}
