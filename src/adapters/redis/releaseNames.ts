/** Feature names by release, for processes that publish decisions of releases they do not run themselves. */
import type { RedisConnection } from './connection.ts';
import { RedisUnavailable } from './errors.ts';

const keyOf = (releaseId: string): string => `r:${releaseId}`;
/** Releases are few and immutable; what was looked up once is kept. */
const knownMax = 256;
/** Pause before a Redis that refused to write is asked again. */
const retryMs = 1_000;

export class RedisReleaseNames {
  readonly #connection: RedisConnection;
  readonly #known = new Map<string, readonly string[]>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /**
   * Tells everyone the names of a release, as soon as Redis takes them and again whenever it was away: it may have come back
   * empty. Never throws. @returns stops that
   */
  announce(releaseId: string, names: readonly string[], onFailure: (error: unknown) => void): () => void {
    this.#known.set(releaseId, names);
    let timer: NodeJS.Timeout | undefined;
    let stopped = false;
    const attempt = (): void => {
      clearTimeout(timer);
      this.#connection.call('SET', [keyOf(releaseId), JSON.stringify(names)]).catch((error: unknown) => {
        if (stopped) return;
        onFailure(error);
        // Away: it is tried when it is back.
        if (this.#connection.ready) timer = setTimeout(attempt, retryMs);
      });
    };
    const stopListening = this.#connection.onChange((ready) => {
      if (ready) attempt();
      else clearTimeout(timer);
    });
    if (this.#connection.ready) attempt();
    return () => {
      stopped = true;
      stopListening();
      clearTimeout(timer);
    };
  }

  /** @throws RedisUnavailable when they cannot be found now */
  async of(releaseId: string): Promise<readonly string[]> {
    const known = this.#known.get(releaseId);
    if (known !== undefined) return known;
    const text = await this.#connection.call('GET', [keyOf(releaseId)]);
    if (!Buffer.isBuffer(text)) throw new RedisUnavailable('damaged', 'the names of a release are not there');
    const names = JSON.parse(text.toString()) as readonly string[];
    if (this.#known.size < knownMax) this.#known.set(releaseId, names);
    return names;
  }
}
