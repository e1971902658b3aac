/** Fails a test file that leaves servers, child processes or worker threads behind: they would keep a real process alive. */
import { afterAll } from 'vitest';

const watched = new Set(['TCPServerWrap', 'TCPSocketWrap', 'ProcessWrap', 'FSEventWrap', 'Worker']);
/** Closing is asynchronous in places; a handle that still exists after this long is a leak. */
const graceMs = 2000;
const pollMs = 20;

function handles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    if (watched.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

const before = handles();

function leaked(): string[] {
  return [...handles()]
    .filter(([name, count]) => count > (before.get(name) ?? 0))
    .map(([name, count]) => `${name} × ${count}`);
}

afterAll(async () => {
  const until = performance.now() + graceMs;
  while (leaked().length > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, pollMs));
  const left = leaked();
  if (left.length > 0) throw new Error(`this test file leaves handles open: ${left.join(', ')}`);
});
