/**
 * Feeds labelled payments in time order through the release's own feature code, as the live pipeline would have seen them: a
 * fraud label reaches the velocity state `delayDays` after its payment, not a millisecond before.
 */
import { failed } from '../../config/exit.ts';
import type { Payment } from '../../domain/payment.ts';
import { createFeatureMatrix, type FeatureMatrix } from '../../features/frame.ts';
import type { VelocityMemory } from '../../features/types.ts';
import { labels } from './labelled.ts';

export const dayMs = 86_400_000;
export const feedRowsMax = 256;
const tenant = 'train';
/** Frauds whose label is not known yet. */
const unknownFraudsMax = 2_000_000;
/** The queue is moved to its front once so many have left it. */
const unknownSlack = 4096;

export interface FedRows {
  readonly payments: readonly Payment[];
  /** 1 is fraud, 0 is not, 2 where the file does not say. */
  readonly frauds: Uint8Array;
  readonly rows: number;
  /** The features of row r as they were when it was decided, from `r × featureCount` on. */
  readonly features: FeatureMatrix;
}

export interface FeedOptions {
  readonly memory: VelocityMemory;
  readonly delayDays: number;
  /** Called for each batch, which is reused after it. */
  readonly onRows: (fed: FedRows) => void;
}

export class HistoryFeed {
  readonly #options: FeedOptions;
  readonly #delayMs: number;
  readonly #features: FeatureMatrix;
  readonly #frauds = new Uint8Array(feedRowsMax);
  #payments: Payment[] = [];
  /** Frauds in time order; those before `#known` have had their label. */
  #unknown: Payment[] = [];
  #known = 0;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #batch = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  fed = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#delayMs = options.delayDays * dayMs;
    this.#features = createFeatureMatrix(options.memory.program.names.length, feedRowsMax);
  }

  /** @throws CommandError (exit code 1) where the payment is earlier than the one before */
  add(payment: Payment, label: number): void {
    const { occurredAtMs } = payment;
    if (occurredAtMs < this.#lastMs) {
      throw failed(
        `Payment ${this.fed + this.#payments.length + 1} is earlier than the one before it: sort the file by time first.`,
      );
    }
    this.#lastMs = occurredAtMs;
    // A label that falls due before this payment must be in the state for it, and not for the payments before.
    if (this.#dueAtMs <= occurredAtMs || this.#payments.length === feedRowsMax) this.flush();
    if (this.#dueAtMs <= occurredAtMs) this.#label(occurredAtMs);
    this.#frauds[this.#payments.length] = label;
    this.#payments.push(payment);
    if (label === labels.fraud) this.#remember(payment);
  }

  flush(): void {
    const payments = this.#payments;
    const rows = payments.length;
    if (rows === 0) return;
    const features = this.#features;
    this.#options.memory.appendAndRead(tenant, payments, features, ++this.#batch);
    this.fed += rows;
    this.#options.onRows({ payments, frauds: this.#frauds, rows, features });
    this.#payments = [];
  }

  #remember(payment: Payment): void {
    if (this.#unknown.length - this.#known >= unknownFraudsMax) {
      throw failed(`More than ${unknownFraudsMax} frauds wait for their label: shorten --delay-days.`);
    }
    this.#unknown.push(payment);
    if (this.#unknown.length - this.#known === 1) this.#dueAtMs = payment.occurredAtMs + this.#delayMs;
  }

  #label(untilMs: number): void {
    while (this.#dueAtMs <= untilMs) {
      const payment = this.#unknown[this.#known++] as Payment;
      this.#options.memory.markLabel(tenant, { payment, fraud: true }, this.#batch);
      const next = this.#unknown[this.#known];
      this.#dueAtMs = next === undefined ? Number.POSITIVE_INFINITY : next.occurredAtMs + this.#delayMs;
    }
    if (this.#known < unknownSlack) return;
    this.#unknown = this.#unknown.slice(this.#known);
    this.#known = 0;
  }
}
