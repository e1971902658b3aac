/**
 * A file of payments with labels, run through the release's own feature code in event order, as the live pipeline would have
 * seen it: a label reaches the velocity state only `delayDays` after its payment.
 */
import type { Payment } from '../../domain/payment.ts';
import { Payment as PaymentClass } from '../../domain/payment.ts';
import { createPaymentDecoder } from '../../domain/decode.ts';
import { createFeatureMatrix, Frame, type FrameLayout } from '../../features/frame.ts';
import type { FeatureProgram, VelocityMemory } from '../../features/types.ts';
import { compileFill } from '../../releases/fill.ts';
import { numericFacts } from '../../rules/facts.ts';
import type { ReplayItem } from '../replay/source.ts';

export const dayMs = 86_400_000;
const batchRowsMax = 256;
const tenant = 'train';

/** The payments of the days that matter, in time order, with the model's facts as they were when each was decided. */
export interface History {
  /** Days since the Unix epoch, UTC. */
  readonly days: readonly number[];
  /** A number for each customer, in order of appearance. */
  readonly cards: readonly number[];
  readonly frauds: readonly number[];
  /** [row][fact] */
  readonly facts: Float64Array;
  /** Payments before the first day only fed the state. */
  readonly paymentsFed: number;
  readonly refused: number;
}

export interface HistoryOptions {
  readonly memory: VelocityMemory;
  readonly facts: readonly string[];
  readonly layout: FrameLayout;
  /** Days since the Unix epoch; rows of the days from `firstDay` and before `endDay` are kept, payments from `endDay` on are not read. */
  readonly firstDay: number;
  readonly endDay: number;
  readonly delayDays: number;
  readonly signal: AbortSignal;
  readonly onProgress: (paymentsFed: number) => void;
}

const historyRowsMax = 1_000_000;

interface Pending {
  readonly payment: Payment;
  readonly fraud: boolean;
}

/** Facts that a training can use: features and the payment's own numbers. */
export function trainingLayout(program: FeatureProgram): FrameLayout {
  return { numeric: [...program.names, ...numericFacts], categorical: [], featureCount: program.names.length };
}

class HistoryBuilder {
  readonly #options: HistoryOptions;
  readonly #columns: readonly number[];
  readonly #frame: Frame;
  readonly #fill: ReturnType<typeof compileFill>;
  readonly #matrix: ReturnType<typeof createFeatureMatrix>;
  readonly #cards = new Map<string, number>();
  readonly #days: number[] = [];
  readonly #cardColumn: number[] = [];
  readonly #frauds: number[] = [];
  readonly #facts: number[] = [];
  /** Frauds whose label is not known yet, by the time at which it will be. */
  readonly #unknown: Payment[] = [];
  #batch: Pending[] = [];
  #batchNumber = 0;
  #fed = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: HistoryOptions) {
    this.#options = options;
    const { layout, facts, memory } = options;
    this.#columns = facts.map((fact) => layout.numeric.indexOf(fact));
    this.#frame = new Frame(layout, batchRowsMax);
    this.#fill = compileFill(layout, new Map());
    this.#matrix = createFeatureMatrix(memory.program.names.length, batchRowsMax);
  }

  add(payment: Payment, fraud: boolean): void {
    if (payment.occurredAtMs < this.#lastMs) throw new Error('the payments are not in time order');
    this.#lastMs = payment.occurredAtMs;
    // A label that falls due before this payment must be in the state for it, and not for the payments before.
    if (this.#labelDueAtMs() <= payment.occurredAtMs || this.#batch.length === batchRowsMax) this.flush();
    while (this.#labelDueAtMs() <= payment.occurredAtMs) {
      const labelled = this.#unknown.shift();
      if (labelled) this.#options.memory.markLabel(tenant, { payment: labelled, fraud: true }, this.#batchNumber);
    }
    this.#batch.push({ payment, fraud });
    if (fraud) this.#unknown.push(payment);
  }

  flush(): void {
    if (this.#batch.length === 0) return;
    const payments = this.#batch.map(({ payment }) => payment);
    this.#options.memory.appendAndRead(tenant, payments, this.#matrix, ++this.#batchNumber);
    this.#fill(this.#frame, payments, payments.length, this.#matrix);
    this.#batch.forEach((pending, row) => this.#keep(pending, row));
    this.#fed += payments.length;
    this.#batch = [];
    this.#options.onProgress(this.#fed);
  }

  history(refused: number): History {
    this.flush();
    return {
      days: this.#days,
      cards: this.#cardColumn,
      frauds: this.#frauds,
      facts: Float64Array.from(this.#facts),
      paymentsFed: this.#fed,
      refused,
    };
  }

  #labelDueAtMs(): number {
    const oldest = this.#unknown[0];
    return oldest ? oldest.occurredAtMs + this.#options.delayDays * dayMs : Number.POSITIVE_INFINITY;
  }

  #keep({ payment, fraud }: Pending, row: number): void {
    const day = Math.floor(payment.occurredAtMs / dayMs);
    if (day < this.#options.firstDay) return;
    if (this.#days.length === historyRowsMax)
      throw new Error(`more than ${historyRowsMax} payments in the days to learn from`);
    const card = this.#cards.get(payment.customerId) ?? this.#cards.size;
    this.#cards.set(payment.customerId, card);
    this.#days.push(day);
    this.#cardColumn.push(card);
    this.#frauds.push(fraud ? 1 : 0);
    for (const column of this.#columns) this.#facts.push(this.#frame.numbers[column]?.[row] ?? Number.NaN);
  }
}

/** @returns undefined when the signal stopped it */
export async function buildHistory(
  items: AsyncIterable<ReplayItem>,
  options: HistoryOptions,
): Promise<History | undefined> {
  const builder = new HistoryBuilder(options);
  const decoder = createPaymentDecoder();
  let refused = 0;
  for await (const item of items) {
    if (options.signal.aborted) return undefined;
    if (item.kind !== 'payment') {
      if (item.kind === 'bad') refused += 1;
      continue;
    }
    if ((item.occurredAtMs ?? 0) >= options.endDay * dayMs) break;
    const payment = decoder.decode(Buffer.from(item.json), Number.POSITIVE_INFINITY);
    if (payment instanceof PaymentClass) builder.add(payment, item.fraud === true);
    else refused += 1;
  }
  return builder.history(refused);
}
