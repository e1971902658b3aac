/** Deadline, breaker and bulkhead around one stage of the pipeline. */
import { bulkhead, isBulkheadRejectedError, isTaskCancelledError, timeout, TimeoutStrategy } from 'cockatiel';
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

/** The work is not told when it has returned: an abort that nobody hears costs a stack trace a call. */
const inTime = { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false };

/** The stage was not asked: it has failed too often. */
class BreakerOpen extends Error {
  override readonly name = 'BreakerOpen';
}

function failureOf(error: unknown): StageFailure {
  if (isTaskCancelledError(error)) return 'timeout';
  if (error instanceof BreakerOpen) return 'open';
  if (isBulkheadRejectedError(error)) return 'full';
  return 'failed';
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
  const places = bulkhead(concurrencyMax, 0);

  async function tried<T>(work: () => Promise<T>, budgetMs: number): Promise<T> {
    if (!breaker.admits()) throw new BreakerOpen(`${name} has failed too often`);
    try {
      const value = await timeout(Math.max(1, budgetMs), inTime).execute(work);
      breaker.succeeded();
      return value;
    } catch (error) {
      breaker.failed();
      throw error;
    }
  }

  return {
    name,
    state: () => (breaker.refuses ? 'down' : 'up'),
    async run(work, budgetMs) {
      try {
        return { ok: true, value: await places.execute(() => tried(work, budgetMs)) };
      } catch (error) {
        const failure = failureOf(error);
        onFailure(name, failure, error);
        return { ok: false, failure };
      }
    },
  };
}
