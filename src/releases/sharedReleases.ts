/** Releases that a process runs, and those of others: decisions are explained long after the process that made them is gone. */
import type { CompiledRelease } from './compile.ts';
import { type ReleaseStore, storedIn } from './store.ts';

/** No one keeps this release any more, or its bytes are not what they were: its decisions can be shown, but not explained. */
export class ReleaseUnknown extends Error {
  override readonly name = 'ReleaseUnknown';
}

/** Where processes keep releases for each other. Both reject where it is away. */
export interface ReleaseShelf {
  findRelease(id: string): Promise<string | undefined>;
  /** Keeps it, once. */
  keepRelease(id: string, release: string): Promise<void>;
}

/** Pause before a shelf that was away is tried again. */
const retryMsDefault = 30_000;

export class SharedReleases {
  readonly #store: ReleaseStore;
  readonly #shelf: ReleaseShelf | undefined;
  /** Those that are being fetched: the same is fetched once. */
  readonly #fetching = new Map<string, Promise<CompiledRelease>>();

  /** @param shelf absent: only the store's own are known */
  constructor(store: ReleaseStore, shelf: ReleaseShelf | undefined) {
    this.#store = store;
    this.#shelf = shelf;
  }

  /**
   * The compiled release of a recorded decision.
   * @throws ReleaseUnknown, or what the shelf threw
   */
  compiled(id: string): Promise<CompiledRelease> {
    if (this.#store.has(id)) return known(id, this.#store.compiled(id));
    const fetching = this.#fetching.get(id);
    if (fetching !== undefined) return fetching;
    const fetched = this.#fetch(id).finally(() => this.#fetching.delete(id));
    this.#fetching.set(id, fetched);
    return fetched;
  }

  /** The names of its features, in the order in which records have them; none where nobody knows it. */
  async namesOf(id: string): Promise<readonly string[]> {
    try {
      return (await this.compiled(id)).features.names;
    } catch (error) {
      if (error instanceof ReleaseUnknown) return [];
      throw error;
    }
  }

  /** Puts a release of the store on the shelf as soon as that takes it. Fails only where the store has none. @returns stops that */
  keep(id: string, onFailure: (error: unknown) => void, retryMs = retryMsDefault): () => void {
    const shelf = this.#shelf;
    if (shelf === undefined) return () => {};
    const release = this.#store.text(id);
    let timer: NodeJS.Timeout | undefined;
    let stopped = false;
    const attempt = (): void => {
      shelf.keepRelease(id, release).catch((error: unknown) => {
        if (stopped) return;
        onFailure(error);
        timer = setTimeout(attempt, retryMs).unref();
      });
    };
    attempt();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  async #fetch(id: string): Promise<CompiledRelease> {
    const text = await this.#shelf?.findRelease(id);
    if (text === undefined) throw new ReleaseUnknown(`no release ${id} is kept`);
    const stored = storedIn(id, text);
    if (typeof stored === 'string') throw new ReleaseUnknown(`release ${id} was altered where it is kept: ${stored}`);
    return known(id, this.#store.add(stored.bundle));
  }
}

/** A release that an older version made may not compile any more: for ever, so nobody must wait for it to. */
async function known(id: string, compiling: Promise<CompiledRelease>): Promise<CompiledRelease> {
  try {
    return await compiling;
  } catch (error) {
    throw new ReleaseUnknown(`release ${id} cannot be used any more`, { cause: error });
  }
}
