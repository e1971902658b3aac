/** Tells the decision cache, when it is back, what this process claimed without it; also when no payments come by. */
import type { StageGuard } from './guard.ts';
import type { DecisionCache } from './ports.ts';
import type { RecentClaims } from './recentClaims.ts';
import { Wait } from './wait.ts';

/** Claims told in one call. */
const rowsMax = 128;
/** Pause before the cache is told again what it did not take. */
const retryMs = 250;

export interface ReclaimerOptions {
  readonly cache: DecisionCache;
  readonly recent: RecentClaims;
  readonly guard: StageGuard;
  /** Longest that one call may take, milliseconds. */
  readonly budgetMs: number;
  readonly onFailure: (error: unknown) => void;
}

export class Reclaimer {
  readonly #options: ReclaimerOptions;
  #running: Promise<void> | undefined;
  #settling = false;
  #conflicts = 0;
  readonly #wait = new Wait();

  constructor(options: ReclaimerOptions) {
    this.#options = options;
  }

  /** Payments that another process had decided meanwhile. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** Sees to it that the cache hears of everything. @param answers it has just answered: at once then, else after a pause */
  start(answers: boolean): void {
    if (this.#options.recent.unclaimed === 0) return;
    if (answers) this.#wait.end();
    this.#running ??= this.#run(answers);
  }

  /** Resolves when the cache has heard of everything, or does not take it now. */
  async settle(): Promise<void> {
    this.#settling = true;
    this.#wait.end();
    await this.#running;
    this.#settling = false;
  }

  async #run(answers: boolean): Promise<void> {
    const { recent, guard, budgetMs } = this.#options;
    let ok = answers;
    do {
      if (!ok && !this.#settling) await this.#wait.pause(retryMs);
      ({ ok } = await guard.run(() => this.#tell(), budgetMs));
    } while (recent.unclaimed > 0 && (ok || !this.#settling));
    // In the turn that saw it done: what is claimed without the cache next starts the next run.
    this.#running = undefined;
  }

  /** Some, the oldest. */
  async #tell(): Promise<void> {
    const { cache, recent, onFailure } = this.#options;
    const claims = recent.nextUnclaimed(rowsMax);
    const records = claims.map(({ record }) => record);
    const outcomes = await cache.claim(
      records,
      records.map(() => true),
    );
    const fresh = records.map((record) => recent.claimed(record));
    this.#conflicts += outcomes.filter((outcome, i) => fresh[i] === true && outcome?.won !== true).length;
    // With the cache away again, ours must not be answered in the place of what is claimed, nor appended as if it were.
    for (const outcome of outcomes) if (outcome?.won === false) recent.replace(outcome);
    const published = records.filter((_, i) => outcomes[i]?.won === true && claims[i]?.published === true);
    await cache.markPublished(published).catch(onFailure);
  }
}
