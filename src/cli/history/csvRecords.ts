/** CSV rows as the positions of their cells. Rows with quotes, which are few, are given to csv-parse one by one. */
import { parse } from 'csv-parse/sync';
import { failed } from '../../config/exit.ts';
import { lineCharactersMax } from './text.ts';

const quote = '"';
const carriageReturn = 13;

/** One row: cell c is `text.slice(starts[c], ends[c])`; reused from row to row. */
export class CsvCells {
  text = '';
  count = 0;
  readonly starts: Int32Array;
  readonly ends: Int32Array;

  /** @param cellsMax cells beyond so many are left out */
  constructor(cellsMax: number) {
    this.starts = new Int32Array(cellsMax);
    this.ends = new Int32Array(cellsMax);
  }

  /** Cells the row does not have are empty. */
  cell(c: number): string {
    return c < this.count ? this.text.slice(this.starts[c], this.ends[c]) : '';
  }

  /** Takes text[start, end), a row without quotes. */
  split(text: string, start: number, end: number): void {
    const { starts, ends } = this;
    this.text = text;
    let count = 0;
    let at = start;
    while (count < starts.length) {
      const comma = text.indexOf(',', at);
      starts[count] = at;
      if (comma < 0 || comma >= end) {
        ends[count++] = end;
        break;
      }
      ends[count++] = comma;
      at = comma + 1;
    }
    this.count = count;
  }

  /** Takes cells that were unquoted. */
  set(cells: readonly string[]): void {
    this.text = cells.join('');
    this.count = Math.min(cells.length, this.starts.length);
    let at = 0;
    for (let c = 0; c < this.count; c++) {
      this.starts[c] = at;
      at += (cells[c] as string).length;
      this.ends[c] = at;
    }
  }
}

/** The cells of one row that has quotes. @throws CommandError (exit code 1) where they are not put as CSV puts them */
export function parseQuoted(row: string, number: number): string[] {
  try {
    const [cells] = parse(row, { bom: true, relax_column_count: true });
    return (cells as unknown as string[] | undefined) ?? [];
  } catch (error) {
    throw failed(
      `Row ${number} of the CSV file cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
}

/** Calls back with each row of a text that comes in pieces, as a stretch of some text; a quoted cell may hold line ends. */
export class CsvRows {
  readonly #visit: (text: string, start: number, end: number, quoted: boolean) => void;
  /** Lines of a row whose quotes are not closed yet. */
  #open = '';

  constructor(visit: (text: string, start: number, end: number, quoted: boolean) => void) {
    this.#visit = visit;
  }

  /** Takes whole lines; the last may lack its line end. */
  push(piece: string): void {
    let nextQuote = positionOf(piece, 0);
    let at = 0;
    while (at < piece.length) {
      const feed = piece.indexOf('\n', at);
      const next = feed < 0 ? piece.length : feed + 1;
      let end = feed < 0 ? piece.length : feed;
      if (end > at && piece.charCodeAt(end - 1) === carriageReturn) end--;
      if (this.#open !== '' || nextQuote < end) {
        this.#quotedLine(piece.slice(at, next));
        nextQuote = positionOf(piece, next);
      } else if (end > at) this.#visit(piece, at, end, false);
      at = next;
    }
  }

  end(): void {
    if (this.#open !== '') throw failed('The CSV file ends inside of a quoted cell.');
  }

  #quotedLine(line: string): void {
    this.#open += line;
    if (this.#open.length > lineCharactersMax)
      throw failed(`The CSV file has a row of more than ${lineCharactersMax} characters: is a quote not closed?`);
    if (quotes(this.#open) % 2 === 1) return;
    const row = this.#open.replace(/\r?\n$/, '');
    this.#open = '';
    this.#visit(row, 0, row.length, true);
  }
}

/** Where the next quote stands, beyond everything when there is none. */
function positionOf(text: string, from: number): number {
  const at = text.indexOf(quote, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}

function quotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf(quote); at >= 0; at = text.indexOf(quote, at + 1)) count++;
  return count;
}
