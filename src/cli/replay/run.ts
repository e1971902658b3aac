/**
 * Sends a file of payments in its order. One batch is in flight while the next is read: a payment's features depend on those before it, so
 * the same file gives the same decisions only when no batch overtakes another. Labels are sent when the event time passes theirs, after
 * everything before them is decided.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { failed } from '../../config/exit.ts';
import { isErrorCode, errors } from '../../domain/errors.ts';
import { formatTimestamp } from '../../domain/timestamp.ts';
import type { ItemResult } from './answer.ts';
import type { ReplayTarget } from './client.ts';
import type { ReplayItem, ReplaySource } from './source.ts';
import { Tally } from './summary.ts';

/** The API's own bound. */
const batchRowsMax = 500;
const labelsInFlightMax = 16;
const itemAttemptsMax = 20;
const itemBackoffMs = 250;

export interface ReplayOptions {
  /** Payments a second; Infinity for as fast as they are answered. */
  readonly rate: number;
  readonly limit: number;
  readonly labelsDelayMs: number;
  /** Set by the caller to stop after the batch in flight. */
  readonly signal: AbortSignal;
  readonly onProgress: (tally: Tally) => void;
}

type PaymentItem = Extract<ReplayItem, { kind: 'payment' }>;
interface DueLabel {
  readonly dueMs: number;
  readonly paymentId: string;
  readonly json: string;
}

const retryable = (code: string): boolean => isErrorCode(code) && errors[code].retryable;

class Sender {
  readonly #client: ReplayTarget;
  readonly #tally: Tally;
  #inFlight: Promise<void> = Promise.resolve();

  constructor(client: ReplayTarget, tally: Tally) {
    this.#client = client;
    this.#tally = tally;
  }

  /** Resolves when the batch before this one is answered and this one is on its way. */
  async send(batch: readonly PaymentItem[]): Promise<void> {
    await this.#inFlight;
    this.#inFlight = this.#exchange(batch);
    // A failure is thrown where it is awaited next; without this it would be an unhandled rejection until then.
    this.#inFlight.catch(() => undefined);
  }

  async settled(): Promise<void> {
    await this.#inFlight;
  }

  async #exchange(batch: readonly PaymentItem[]): Promise<void> {
    let rest = batch;
    for (let attempt = 0; rest.length > 0; attempt += 1) {
      const results = await this.#client.decide(rest.map((item) => item.json));
      rest = rest.filter((item, i) => !this.#settle(item, results[i]!, attempt));
      if (rest.length > 0) await sleep(itemBackoffMs);
    }
  }

  /** @returns false for a payment that is worth sending again */
  #settle(item: PaymentItem, result: ItemResult, attempt: number): boolean {
    if (result.kind === 'decided') {
      this.#tally.decide(item.paymentId, result.held, result.degraded, result.repeated);
      if (item.fraud !== undefined) this.#tally.truth(item.paymentId, item.fraud);
      return true;
    }
    if (retryable(result.code) && attempt < itemAttemptsMax) return false;
    this.#tally.refuse(item.line, result.code);
    return true;
  }

  /** The labels of payments that are decided already; their order among each other does not matter. */
  async labels(labels: readonly { readonly json: string }[]): Promise<void> {
    for (let start = 0; start < labels.length; start += labelsInFlightMax) {
      const taken = await Promise.all(
        labels.slice(start, start + labelsInFlightMax).map((label) => this.#client.label(label.json)),
      );
      const refused = taken.filter((ok) => !ok).length;
      this.#tally.labelsSent += taken.length - refused;
      this.#tally.labelsRefused += refused;
    }
  }
}

function labelOf(item: PaymentItem, delayMs: number): DueLabel | undefined {
  if (item.fraud !== true || item.occurredAtMs === undefined) return undefined;
  const dueMs = item.occurredAtMs + delayMs;
  const label = { paymentId: item.paymentId, label: 'fraud', source: 'chargeback', labelledAt: formatTimestamp(dueMs) };
  return { dueMs, paymentId: item.paymentId, json: JSON.stringify(label) };
}

/** @returns the tally, and how many labels the file's event time did not reach */
export async function runReplay(
  source: ReplaySource,
  client: ReplayTarget,
  options: ReplayOptions,
): Promise<{ readonly tally: Tally; readonly labelsNotDue: number }> {
  const tally = new Tally();
  const sender = new Sender(client, tally);
  const startedAt = performance.now();
  const waiting: DueLabel[] = [];
  let batch: PaymentItem[] = [];
  const batchMax = Math.max(1, Math.min(batchRowsMax, Math.ceil(options.rate / 10)));
  let sent = 0;

  async function flush(): Promise<void> {
    if (batch.length === 0) return;
    const early = startedAt + (sent * 1000) / options.rate - performance.now();
    if (early > 0) await sleep(early);
    sent += batch.length;
    await sender.send(batch);
    batch = [];
    options.onProgress(tally);
  }

  async function sendLabels(labels: readonly { readonly json: string }[]): Promise<void> {
    await flush();
    await sender.settled();
    await sender.labels(labels);
  }

  async function sendDueLabels(nowMs: number): Promise<void> {
    let due = 0;
    while (due < waiting.length && waiting[due]!.dueMs <= nowMs) due += 1;
    if (due > 0) await sendLabels(waiting.splice(0, due));
  }

  /** Label lines of an NDJSON file that stand one after another are sent together. */
  let labelLines: Extract<ReplayItem, { kind: 'label' }>[] = [];
  async function flushLabelLines(): Promise<void> {
    if (labelLines.length === 0) return;
    await sendLabels(labelLines);
    for (const label of labelLines) tally.truth(label.paymentId, label.fraud);
    labelLines = [];
  }

  for await (const item of source.items()) {
    if (options.signal.aborted) break;
    if (item.kind === 'label') {
      labelLines.push(item);
      if (labelLines.length >= batchRowsMax) await flushLabelLines();
      continue;
    }
    if (tally.rows >= options.limit) break;
    tally.rows += 1;
    if (item.kind === 'bad') {
      tally.refuse(item.line, item.code);
      continue;
    }
    await flushLabelLines();
    if (item.occurredAtMs !== undefined) await sendDueLabels(item.occurredAtMs);
    batch.push(item);
    const label = labelOf(item, options.labelsDelayMs);
    if (label !== undefined) waiting.push(label);
    if (batch.length >= batchMax) await flush();
  }
  await flush();
  await sender.settled();
  await flushLabelLines();
  options.onProgress(tally);
  if (tally.rows > 0 && tally.decisions === 0 && tally.refused === tally.rows) {
    const codes = Object.keys(tally.summary(0).refusedByCode).join(', ');
    throw failed(`Nothing was decided: all ${tally.rows} rows were refused (${codes}).`);
  }
  return { tally, labelsNotDue: waiting.length };
}
