/** The demonstration's payments: simulated life and attacks, put on the payments topic as any producer would. */
import type { EventLog } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import { createLiveFeed } from '../../simulator/stream.ts';

const ratePerSecond = 30;
const sliceMs = 200;
const seed = 20_261_122;
/** Unread payments from which on the feed holds back: a slow disk must not grow a backlog without end. */
const backlogMax = 5_000;

/** @returns a function that stops the feed and waits for its last append. */
export function startDemo(
  log: EventLog,
  backlog: () => number,
  onFailure: (error: unknown) => void,
): () => Promise<void> {
  const feed = createLiveFeed({ seed, nowMs: Date.now(), ratePerSecond });
  let last: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    if (backlog() > backlogMax) return;
    const due = feed.due(Date.now());
    if (due.length === 0) return;
    const messages = due.map(({ payment }) => ({
      key: payment.customerId,
      value: Buffer.from(JSON.stringify(payment)),
    }));
    last = last.then(() => log.append(topics.payments, messages)).catch(onFailure);
  }, sliceMs);
  return async () => {
    clearInterval(timer);
    await last;
  };
}
