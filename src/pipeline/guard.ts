/**
 * Deadline, breaker and bulkhead around one stage of the pipeline.
 *
 * Own code and not cockatiel's, whose time limit races the work against an AbortSignal: what it ties together outlives every collection of the
 * young generation, so that all that a stage had allocated (34 kB a payment) went to the old one and stopped the process for 60 ms
 * every 5 s at 500 payments/s.
 */
import { Breaker } from './breaker.ts';

export type StageFailure = 'timeout' | 'open' | 'full' | 'failed';
export type StageResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: StageFailure };

export interface StageGuard {
  readonly name: string;
  /** `down`: it has failed so often that it is not even asked now. */
  readonly state: () => 'up' | 'down';
  /** Runs `work`; never throws. A result after `budgetMs` is dropped and counts as a failure. */
  run<T>(work: () => Promise<T>, budgetMs: number): Promise<StageResult<T>>;
}

/** Why a stage gave no result, where its own work did not fail. */
class StageRefusal extends Error {
  override readonly name = 'StageRefusal';
  readonly failure: Exclude<StageFailure, 'failed'>;

  constructor(failure: Exclude<StageFailure, 'failed'>, message: string) {
    super(message);
    this.failure = failure;
  }
}

/** @throws StageRefusal after so many milliseconds; what `work` does then is its own affair, and nobody hears of it */
function inTime<T>(stage: string, work: () => Promise<T>, budgetMs: number): Promise<T> {
  const working = work();
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new StageRefusal('timeout', `${stage} took more than ${budgetMs} ms`));
    const timer = setTimeout(late, budgetMs);
    working.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}

/**
 * @param concurrencyMax calls in the stage at one time; more are refused at once, not queued.
 * @param nowMs a clock that is never set
 */
export function createStageGuard(
  name: string,
  concurrencyMax: number,
  onFailure: (stage: string, failure: StageFailure, error: unknown) => void,
  nowMs?: () => number,
): StageGuard {
  const breaker = new Breaker(nowMs);
  let running = 0;

  async function tried<T>(work: () => Promise<T>, budgetMs: number): Promise<T> {
    if (running >= concurrencyMax) throw new StageRefusal('full', `${name} has ${concurrencyMax} calls already`);
    if (!breaker.admits()) throw new StageRefusal('open', `${name} has failed too often`);
    running += 1;
    try {
      const value = await inTime(name, work, Math.max(1, budgetMs));
      breaker.succeeded();
      return value;
    } catch (error) {
      breaker.failed();
      throw error;
    } finally {
      running -= 1;
    }
  }

  return {
    name,
    state: () => (breaker.refuses ? 'down' : 'up'),
    async run(work, budgetMs) {
      try {
        return { ok: true, value: await tried(work, budgetMs) };
      } catch (error) {
        const failure = error instanceof StageRefusal ? error.failure : 'failed';
        onFailure(name, failure, error);
        return { ok: false, failure };
      }
    },
  };
}
