/** Payments of a CSV file, by a mapping. */
import { wrongUsage } from '../../config/exit.ts';
import type { Payment } from '../../domain/payment.ts';
import { openLabels } from '../replay/labels.ts';
import { chooseMapping, type Mapping, requireColumns } from '../replay/mapping.ts';
import { CsvCells, CsvRows, parseQuoted } from './csvRecords.ts';
import { Gathered, type LabelledPayments, type PaymentReader, type Refusals } from './labelled.ts';
import { createRowReader, type RowReader } from './rowReader.ts';
import { openText } from './text.ts';

/** Payments that are held in memory to bring them into time order; about 500 MB. */
const sortedRowsMax = 1_000_000;

class CsvPayments {
  readonly gathered = new Gathered();
  readonly rows = new CsvRows((text, start, end, quoted) => this.#row(text, start, end, quoted));
  readonly #path: string;
  readonly #refusals: Refusals;
  readonly #given: Mapping | undefined;
  #mapping: Mapping | undefined;
  #reader: RowReader | undefined;
  #cells = new CsvCells(1);
  #number = 0;

  constructor(path: string, given: Mapping | undefined, refusals: Refusals) {
    this.#path = path;
    this.#given = given;
    this.#refusals = refusals;
  }

  get sorts(): boolean {
    return this.#mapping?.order === 'occurredAt';
  }

  get hasHeader(): boolean {
    return this.#mapping !== undefined;
  }

  #row(text: string, start: number, end: number, quoted: boolean): void {
    const reader = this.#reader;
    if (reader === undefined) {
      this.#header(parseQuoted(text.slice(start, end), 1));
      return;
    }
    this.#number += 1;
    if (quoted) this.#cells.set(parseQuoted(text.slice(start, end), this.#number + 1));
    else this.#cells.split(text, start, end);
    const payment = reader.read(this.#cells, this.#number);
    if (typeof payment === 'string') this.#refusals.add(payment);
    else this.gathered.push(payment, reader.label);
  }

  #header(header: readonly string[]): void {
    const mapping = this.#given ?? chooseMapping(header);
    requireColumns(mapping, header);
    this.#mapping = mapping;
    this.#cells = new CsvCells(header.length);
    this.#reader = createRowReader(mapping, header, openLabels(mapping.label, this.#path));
  }
}

function sorted({ payments, frauds }: LabelledPayments): LabelledPayments {
  const order = payments.map((_, i) => i);
  const time = (i: number): number => (payments[i] as Payment).occurredAtMs;
  order.sort((a, b) => time(a) - time(b) || a - b);
  return {
    payments: order.map((i) => payments[i] as Payment),
    frauds: Uint8Array.from(order, (i) => frauds[i] ?? 0),
  };
}

export function readCsv(path: string, given: Mapping | undefined, refusals: Refusals): PaymentReader {
  const text = openText(path);
  async function* payments(): AsyncGenerator<LabelledPayments, void, undefined> {
    const csv = new CsvPayments(path, given, refusals);
    for await (const piece of text.pieces()) {
      csv.rows.push(piece);
      if (!csv.sorts && csv.gathered.count > 0) yield csv.gathered.take();
      if (csv.gathered.count > sortedRowsMax)
        throw wrongUsage(
          `The mapping sorts by time, which is done in memory, for at most ${sortedRowsMax} rows: sort the file before.`,
        );
    }
    csv.rows.end();
    if (!csv.hasHeader) throw wrongUsage(`${path} is empty: it has not even a header line.`);
    if (csv.gathered.count > 0) yield csv.sorts ? sorted(csv.gathered.take()) : csv.gathered.take();
  }
  return { passes: 1, bytesRead: () => text.bytesRead(), payments };
}
