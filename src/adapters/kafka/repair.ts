/**
 * kafkajs 2.2.4 re-arms a timer of negative length after every response: each connection wakes its process a thousand times a
 * second for ever, and Node 24 warns of it. Here the timer is armed only when something waits, as it was meant to be.
 */
import { createRequire } from 'node:module';

interface RequestQueue {
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

/** How often a queue with waiting requests looks again, as in kafkajs. */
const checkMs = 10;

const queueClass = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };

queueClass.prototype.scheduleCheckPendingRequests = function schedule(this: RequestQueue): void {
  if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return;
  const throttledMs = this.throttledUntil - Date.now();
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    },
    throttledMs > 0 ? throttledMs : checkMs,
  );
};
