/** Deadline, breaker and bulkhead around one stage of the pipeline (cockatiel). */
import {
  bulkhead,
  circuitBreaker,
  ConsecutiveBreaker,
  handleAll,
  isBrokenCircuitError,
  isBulkheadRejectedError,
  isTaskCancelledError,
  timeout,
  TimeoutStrategy,
  wrap,
} from 'cockatiel';

export type StageFailure = 'timeout' | 'open' | 'full' | 'failed';
export type StageResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: StageFailure };

/** Failures in a row that open the breaker. */
const failuresToOpen = 5;
/** How long an open breaker waits before it lets one call through. */
const halfOpenAfterMs = 1000;

export interface StageGuard {
  readonly name: string;
  readonly state: () => 'up' | 'down';
  /** Runs `work`; never throws. A result after `budgetMs` is dropped and counts as a failure. */
  run<T>(work: () => Promise<T>, budgetMs: number): Promise<StageResult<T>>;
}

function failureOf(error: unknown): StageFailure {
  if (isTaskCancelledError(error)) return 'timeout';
  if (isBrokenCircuitError(error)) return 'open';
  if (isBulkheadRejectedError(error)) return 'full';
  return 'failed';
}

/** @param concurrencyMax calls in the stage at one time; more are refused at once, not queued. */
export function createStageGuard(
  name: string,
  concurrencyMax: number,
  onFailure: (stage: string, failure: StageFailure, error: unknown) => void,
): StageGuard {
  const breaker = circuitBreaker(handleAll, {
    halfOpenAfter: halfOpenAfterMs,
    breaker: new ConsecutiveBreaker(failuresToOpen),
  });
  const limits = wrap(bulkhead(concurrencyMax, 0), breaker);
  let open = false;
  breaker.onBreak(() => {
    open = true;
  });
  breaker.onReset(() => {
    open = false;
  });
  return {
    name,
    state: () => (open ? 'down' : 'up'),
    async run(work, budgetMs) {
      try {
        const deadline = timeout(Math.max(1, budgetMs), TimeoutStrategy.Aggressive);
        const value = await limits.execute(() => deadline.execute(work));
        return { ok: true, value };
      } catch (error) {
        const failure = failureOf(error);
        onFailure(name, failure, error);
        return { ok: false, failure };
      }
    },
  };
}
