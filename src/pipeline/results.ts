/** What the pipeline answers, apart from new decisions. */
import { bounds } from './bounds.ts';
import type { Item } from './item.ts';
import type { DecideResult } from './service.ts';

export const unavailable = (code: string): DecideResult => ({
  kind: 'unavailable',
  code,
  retryAfterSeconds: bounds.retryAfterSeconds,
});

export const conflictOf = ({ payment }: Item): DecideResult => ({ kind: 'conflict', paymentId: payment.paymentId });

export const replayed = (result: DecideResult): DecideResult =>
  result.kind === 'decided' ? { ...result, replay: true } : result;

/** The result, or `deadline_exceeded` where it does not come within so many milliseconds (Infinity: it is waited for). */
export async function inTime(result: Promise<DecideResult>, leftMs: number): Promise<DecideResult> {
  if (leftMs === Number.POSITIVE_INFINITY) return result;
  const { promise: late, resolve } = Promise.withResolvers<DecideResult>();
  const timer = setTimeout(() => resolve(unavailable('deadline_exceeded')), Math.max(0, leftMs));
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}
