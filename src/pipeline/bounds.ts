/** Every bound of the pipeline, in one place; their relations are asserted when it is made. */
import { frameRowsMax } from '../features/frame.ts';

export const bounds = {
  /** Payments accepted and not yet answered; beyond it new ones get 503 `overloaded`. */
  inFlightPaymentsMax: 4096,
  /** Micro-batches between decode and record at one time. */
  inFlightBatchesMax: 8,
  /** Payments in one batch. */
  batchRowsMax: 512,
  /** Payments in one micro-batch of those that somebody waits for: the first of them waits for the last. */
  inlineRowsMax: 256,
  /** Messages the stream consumer reads at once. */
  pollMessagesMax: 512,
  /** Stream batches between poll and record at one time. */
  streamBatchesMax: 4,
  /** Least time left before the deadline for the model to be tried at all, milliseconds. */
  modelReserveMs: 1,
  /** Longest that velocity may take of a payment that somebody waits for, milliseconds. */
  velocityBudgetMs: 50,
  /** The same for payments without a deadline of their own (the stream): better late than without features. */
  unhurriedVelocityBudgetMs: 1000,
  /** The same for a scoring worker. */
  poolBudgetMs: 100,
  /** Retry-After of a 503, seconds. */
  retryAfterSeconds: 1,
} as const;

if (bounds.batchRowsMax > frameRowsMax) throw new Error('batchRowsMax must fit a frame');
if (Math.max(bounds.inlineRowsMax, bounds.pollMessagesMax) > bounds.batchRowsMax)
  throw new Error('a batch must fit batchRowsMax');
const inlineMax = bounds.inFlightBatchesMax * bounds.inlineRowsMax;
if (inlineMax + bounds.streamBatchesMax * bounds.pollMessagesMax > bounds.inFlightPaymentsMax) {
  throw new Error('inFlightPaymentsMax must cover the batches in flight');
}
