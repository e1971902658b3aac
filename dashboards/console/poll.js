/** Repeats a task while the page is visible; after failures ever later, never sooner than the service asked for. */
const backOffMsMax = 30_000;

/**
 * `task` resolves to anything; what it throws goes to `onError`. `wake()` runs it now (or right after the run under way),
 * `stop()` ends it.
 */
export function poll(task, intervalMs, onError) {
  let timer;
  let failures = 0;
  let running = false;
  let again = false;
  let stopped = false;

  async function run() {
    clearTimeout(timer);
    if (stopped) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    let waitMs = intervalMs;
    try {
      await task();
      failures = 0;
    } catch (error) {
      failures += 1;
      waitMs = Math.max(Math.min(intervalMs * 2 ** failures, backOffMsMax), error.retryAfterMs ?? 0);
      if (!stopped) onError(error);
    }
    running = false;
    if (stopped) return;
    if (again) {
      again = false;
      run();
    } else if (!document.hidden) {
      timer = setTimeout(run, waitMs);
    }
  }

  const onVisible = () => {
    if (!document.hidden) run();
  };
  document.addEventListener('visibilitychange', onVisible);
  run();
  return {
    wake: run,
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    },
  };
}
