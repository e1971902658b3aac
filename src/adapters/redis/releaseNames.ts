/** Feature names by release, for processes that publish decisions of releases they do not run themselves. */
import type { RedisConnection } from './connection.ts';
import { RedisUnavailable } from './errors.ts';

const keyOf = (releaseId: string): string => `r:${releaseId}`;
/** Releases are few and immutable; what was looked up once is kept. */
const knownMax = 256;

export class RedisReleaseNames {
  readonly #connection: RedisConnection;
  readonly #known = new Map<string, readonly string[]>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /** Tells everyone the names of a release. @throws RedisUnavailable */
  async publish(releaseId: string, names: readonly string[]): Promise<void> {
    this.#known.set(releaseId, names);
    await this.#connection.call('SET', [keyOf(releaseId), JSON.stringify(names)]);
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
