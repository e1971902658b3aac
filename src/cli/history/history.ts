/** The payments of some days with the facts that a model is given, as columns: what training and evaluation work on. */
import type { Payment } from '../../domain/payment.ts';
import { Frame, type FrameLayout } from '../../features/frame.ts';
import type { FeatureProgram, VelocityMemory } from '../../features/types.ts';
import { compileFill } from '../../releases/fill.ts';
import { numericFacts, paymentFact } from '../../rules/facts.ts';
import { type FactPrecision, FactTable, GrowingColumn } from './columns.ts';
import { detached } from './detached.ts';
import { dayMs, feedRowsMax, type FedRows, HistoryFeed } from './feed.ts';
import { type LabelledPayments, labels } from './labelled.ts';
import { LearnSample } from './sample.ts';

/** One text fact of the kept rows: code 0 is missing, code c is `values[c − 1]`; values beyond `categoryValuesMax`, and what is no text, are `categoryCodeMax`. */
export interface CategoryColumn {
  readonly values: readonly string[];
  readonly codes: Uint16Array;
}
const categoryValuesMax = 65_534;
const categoryCodeMax = 65_535;

/** Rows in time order. */
export interface History {
  readonly rows: number;
  /** Days since the Unix epoch, UTC. */
  readonly days: Int32Array;
  /** A number for each customer, in order of appearance among the kept rows. */
  readonly cards: Int32Array;
  readonly frauds: Uint8Array;
  readonly amountsMinor: Float64Array;
  readonly occurredAtMs: Float64Array;
  readonly facts: FactTable;
  readonly categories: ReadonlyMap<string, CategoryColumn>;
  /** Payments before the first day only fed the state. */
  readonly paymentsFed: number;
  /** Share of the genuine payments of the days to learn from that were kept: 1 unless they were too many. */
  readonly genuineShare: number;
}

/** What a split needs of its days; payments that it does not need are not kept. */
export interface Retention {
  /** Days before this one are learned from: beyond a bound their genuine payments are sampled. */
  readonly learnEndDay: number;
  /** From this day on all are kept; between the two only frauds, which say what cards are known to be compromised. */
  readonly testStartDay: number;
  readonly learnBytesMax?: number;
}

export interface HistoryOptions {
  readonly memory: VelocityMemory;
  /** From `trainingLayout`. */
  readonly layout: FrameLayout;
  /** Numeric facts, in the order of the table's columns. */
  readonly facts: readonly string[];
  /** Text facts, as `country`. */
  readonly categories?: readonly string[];
  readonly precision?: FactPrecision;
  /** Days since the Unix epoch; rows of the days from `firstDay` and before `endDay` are kept, payments from `endDay` on are not read. */
  readonly firstDay: number;
  readonly endDay: number;
  /** Without it every payment of the days is kept. */
  readonly retention?: Retention;
  readonly delayDays: number;
  readonly signal: AbortSignal;
  readonly onProgress: (paymentsFed: number) => void;
}

/** Facts that a training can use: features and the payment's own numbers. */
export function trainingLayout(program: FeatureProgram): FrameLayout {
  return { numeric: [...program.names, ...numericFacts], categorical: [], featureCount: program.names.length };
}

class CategoryBuilder {
  readonly #fact: string;
  readonly #codeOf = new Map<string, number>();
  readonly #codes = new GrowingColumn((length) => new Uint16Array(length));

  constructor(fact: string) {
    this.#fact = fact;
  }

  push(payment: Payment): void {
    const value = paymentFact(payment, this.#fact);
    // Attributes can be numbers and booleans: in a frame they are no text of any vocabulary.
    this.#codes.push(value === undefined ? 0 : typeof value === 'string' ? this.#code(value) : categoryCodeMax);
  }

  #code(value: string): number {
    const known = this.#codeOf.get(value);
    if (known !== undefined) return known;
    if (this.#codeOf.size === categoryValuesMax) return categoryCodeMax;
    this.#codeOf.set(detached(value), this.#codeOf.size + 1);
    return this.#codeOf.size;
  }

  keepOnly(isKept: (row: number) => boolean): void {
    this.#codes.keepOnly(isKept);
  }

  done(): CategoryColumn {
    return { values: [...this.#codeOf.keys()], codes: this.#codes.done() };
  }
}

class HistoryBuilder {
  readonly #firstDay: number;
  readonly #frame: Frame;
  readonly #fill: ReturnType<typeof compileFill>;
  readonly #columns: readonly Float64Array[];
  readonly #cardOf = new Map<string, number>();
  readonly #days = new GrowingColumn((length) => new Int32Array(length));
  readonly #cards = new GrowingColumn((length) => new Int32Array(length));
  readonly #frauds = new GrowingColumn((length) => new Uint8Array(length));
  readonly #amounts = new GrowingColumn((length) => new Float64Array(length));
  readonly #times = new GrowingColumn((length) => new Float64Array(length));
  readonly #facts: FactTable;
  readonly #categories: ReadonlyMap<string, CategoryBuilder>;
  readonly #retention: Retention | undefined;
  readonly #sample: LearnSample;
  /** Of the rows to learn from. */
  readonly #keys = new GrowingColumn((length) => new Float64Array(length));
  #learnFrauds = 0;

  constructor({ layout, facts, categories, firstDay, precision, retention }: HistoryOptions) {
    this.#firstDay = firstDay;
    this.#frame = new Frame(layout, feedRowsMax);
    this.#fill = compileFill(layout, new Map());
    this.#columns = facts.map((fact) => {
      const column = this.#frame.numbers[layout.numeric.indexOf(fact)];
      if (column === undefined) throw new Error(`no such fact: ${fact}`);
      return column;
    });
    this.#facts = new FactTable(facts.length, precision);
    this.#retention = retention;
    this.#sample = new LearnSample(facts.length, retention?.learnBytesMax);
    this.#categories = new Map((categories ?? []).map((fact) => [fact, new CategoryBuilder(fact)]));
  }

  keep({ payments, frauds, rows, features }: FedRows): void {
    const lastDay = Math.floor((payments[rows - 1] as Payment).occurredAtMs / dayMs);
    // Payments come in time order: most batches before the first day need no frame at all.
    if (lastDay < this.#firstDay) return;
    this.#fill(this.#frame, payments, rows, features);
    for (let row = 0; row < rows; row++) this.#keepRow(payments[row] as Payment, frauds[row] as number, row);
  }

  #keepRow(payment: Payment, label: number, row: number): void {
    const day = Math.floor(payment.occurredAtMs / dayMs);
    if (day < this.#firstDay || !this.#isKept(day, label === labels.fraud)) return;
    let card = this.#cardOf.get(payment.customerId);
    if (card === undefined) {
      card = this.#cardOf.size;
      this.#cardOf.set(detached(payment.customerId), card);
    }
    this.#facts.push(this.#columns, row);
    this.#days.push(day);
    this.#cards.push(card);
    this.#frauds.push(label === labels.fraud ? 1 : 0);
    this.#amounts.push(payment.amountMinor);
    this.#times.push(payment.occurredAtMs);
    for (const category of this.#categories.values()) category.push(payment);
  }

  #isKept(day: number, fraud: boolean): boolean {
    if (this.#retention === undefined) return true;
    const { learnEndDay, testStartDay } = this.#retention;
    if (day >= learnEndDay) return fraud || day >= testStartDay;
    const key = this.#sample.nextKey();
    if (this.#days.length >= this.#sample.rowsMax) this.#thin();
    if (!fraud && key >= this.#sample.share) return false;
    if (fraud) this.#learnFrauds++;
    this.#keys.push(key);
    return true;
  }

  /** Only rows to learn from are there yet. */
  #thin(): void {
    this.#sample.lower(this.#learnFrauds);
    const { share } = this.#sample;
    const kept = Uint8Array.from({ length: this.#days.length }, (_, row) =>
      this.#frauds.at(row) === 1 || this.#keys.at(row) < share ? 1 : 0,
    );
    const isKept = (row: number): boolean => kept[row] === 1;
    const columns = [this.#days, this.#cards, this.#frauds, this.#amounts, this.#times, this.#keys, this.#facts];
    for (const column of [...columns, ...this.#categories.values()]) column.keepOnly(isKept);
  }

  history(paymentsFed: number): History {
    return {
      rows: this.#days.length,
      days: this.#days.done(),
      cards: this.#cards.done(),
      frauds: this.#frauds.done(),
      amountsMinor: this.#amounts.done(),
      occurredAtMs: this.#times.done(),
      facts: this.#facts,
      categories: new Map([...this.#categories].map(([fact, builder]) => [fact, builder.done()])),
      paymentsFed,
      genuineShare: this.#sample.share,
    };
  }
}

/**
 * @returns undefined when the signal stopped it
 * @throws CommandError (exit code 1) where the payments are not in time order or the rows are too many to keep
 */
export async function buildHistory(
  payments: AsyncIterable<LabelledPayments>,
  options: HistoryOptions,
): Promise<History | undefined> {
  const { memory, delayDays, endDay, signal, onProgress } = options;
  const builder = new HistoryBuilder(options);
  const feed = new HistoryFeed({ memory, delayDays, onRows: (rows) => builder.keep(rows) });
  const endMs = endDay * dayMs;
  for await (const { payments: some, frauds } of payments) {
    if (signal.aborted) return undefined;
    for (let i = 0; i < some.length; i++) {
      const payment = some[i] as Payment;
      if (payment.occurredAtMs >= endMs) {
        feed.flush();
        return builder.history(feed.fed);
      }
      feed.add(payment, frauds[i] as number);
    }
    onProgress(feed.fed);
  }
  feed.flush();
  return builder.history(feed.fed);
}
