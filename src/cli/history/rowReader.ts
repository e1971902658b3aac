/**
 * CSV rows to payments. Nearly every row is plain (short printable identifiers, a time and an amount as usual, codes that were seen
 * before) and is read straight from the text; any other goes the way of `replay`, through mapRow and the payment decoder, which
 * decide alone what is valid. Both ways give the same payment.
 */
import { amountMinorMax, idCharactersMax, occurredAtMsMin } from '../../domain/bounds.ts';
import { createPaymentDecoder } from '../../domain/decode.ts';
import { panDigitsMin } from '../../domain/luhn.ts';
import { isPan } from '../../domain/pan.ts';
import { type Channel, Payment } from '../../domain/payment.ts';
import { parseTimestamp } from '../../domain/timestamp.ts';
import { type LabelReader, openLabels } from '../replay/labels.ts';
import { mapRow } from '../replay/mapRow.ts';
import type { IdField, Mapping, TextField } from '../replay/mapping.ts';
import type { CsvCells } from './csvRecords.ts';
import { labels } from './labelled.ts';

export interface RowReader {
  /** The payment of row `number` (from 1 on), or the code of what is wrong. Its label is `reader.label` then. */
  read(cells: CsvCells, number: number): Payment | string;
  label: number;
}

const [zero, nine, point, colon, blank, letterT] = [48, 57, 46, 58, 32, 84];
const [printableMin, printableMax] = [32, 126];
const localTimeCharacters = 19;
const exactDigitsMax = 15;
const knownCodesMax = 4096;

const fractionDigitsMax = 40;
/** The end of year 9999: later times have no spelling. */
const occurredAtMsMax = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const idNames = [
  'customerId',
  'accountId',
  'counterpartyAccountId',
  'merchantId',
  'terminalId',
  'cardId',
  'deviceId',
] as const;
const codeNames = ['currency', 'channel', 'merchantCategoryCode', 'country'] as const;

/** Where a text comes from: a column (−1: a constant, −2: the row's number) and what stands before it. */
interface TextPlan {
  readonly column: number;
  readonly prefix: string;
  readonly constant: string;
}

interface NamedPlan<Name> {
  readonly name: Name;
  readonly plan: TextPlan;
}
type IdName = (typeof idNames)[number];
type CodeName = (typeof codeNames)[number];

function textPlan(field: TextField | IdField, header: readonly string[]): TextPlan {
  if ('value' in field) return { column: -1, prefix: '', constant: field.value };
  const column = 'column' in field ? header.indexOf(field.column) : -2;
  // A column the file does not have is empty in every row.
  if (column === -1) return { column: -1, prefix: '', constant: '' };
  return { column, prefix: field.prefix ?? '', constant: '' };
}

function digitsAt(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - zero;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** Milliseconds of `YYYY-MM-DD hh:mm:ss` in a zone, remembering the day; NaN for what it does not know. */
class LocalTimes {
  readonly #zone: string;
  #day = '';
  #dayMs = Number.NaN;

  constructor(zone: string) {
    this.#zone = zone;
  }

  read(text: string, start: number, end: number): number {
    if (end - start !== localTimeCharacters) return Number.NaN;
    if (!text.startsWith(this.#day, start) || this.#day === '') {
      const day = text.slice(start, start + 10);
      const ms = parseTimestamp(`${day}T00:00:00${this.#zone}`);
      if (typeof ms !== 'number') return Number.NaN;
      this.#day = day;
      this.#dayMs = ms;
    }
    const between = text.charCodeAt(start + 10);
    const separated = text.charCodeAt(start + 13) === colon && text.charCodeAt(start + 16) === colon;
    const hour = digitsAt(text, start + 11, 2);
    const minute = digitsAt(text, start + 14, 2);
    const second = digitsAt(text, start + 17, 2);
    if ((between !== blank && between !== letterT) || !separated) return Number.NaN;
    if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;
    return this.#dayMs + ((hour * 60 + minute) * 60 + second) * 1000;
  }
}

type TimeReader = (text: string, start: number, end: number) => number;

function timeReader(field: Mapping['fields']['occurredAt']): TimeReader {
  if ('unitMs' in field) {
    const since = parseTimestamp(field.since);
    if (typeof since !== 'number') return () => Number.NaN;
    return (text, start, end) =>
      end === start || end - start > exactDigitsMax
        ? Number.NaN
        : since + digitsAt(text, start, end - start) * field.unitMs;
  }
  if (field.zone === undefined) return () => Number.NaN;
  const times = new LocalTimes(field.zone);
  return (text, start, end) => times.read(text, start, end);
}

/** Minor units of plain decimal notation, NaN for what it does not know: no digits, too many, or more of them than may be dropped. */
function amountReader({ decimals, round }: Mapping['fields']['amountMinor']): TimeReader {
  const scales = Array.from({ length: decimals + 1 }, (_, i) => 10 ** i);
  return (text, start, end) => {
    let minor = 0;
    let digits = 0;
    let fraction = -1;
    let up = 0;
    for (let i = start; i < end; i++) {
      const code = text.charCodeAt(i);
      if (code === point && fraction < 0 && i > start && i + 1 < end) {
        fraction = 0;
        continue;
      }
      if (code < zero || code > nine) return Number.NaN;
      if (fraction < 0 || fraction < decimals) {
        minor = minor * 10 + code - zero;
        digits++;
      } else if (fraction === decimals) up = code - zero >= 5 ? 1 : 0;
      if (fraction >= 0) {
        if (fraction >= decimals && round !== true && code !== zero) return Number.NaN;
        fraction++;
      }
    }
    if (digits === 0 || digits > exactDigitsMax || fraction > fractionDigitsMax) return Number.NaN;
    const missing = decimals - Math.min(decimals, Math.max(0, fraction));
    return minor * (scales[missing] as number) + (round === true ? up : 0);
  };
}

/** Whether the text may stand as an identifier without a closer look. */
function isPlainId(text: string): boolean {
  const { length } = text;
  if (length === 0 || length > idCharactersMax) return false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < printableMin || code > printableMax) return false;
  }
  return length < panDigitsMin || !isPan(text);
}

/** @param header the file's columns; the mapping's required ones are among them */
export function createRowReader(
  mapping: Mapping,
  header: readonly string[],
  labelOf: LabelReader = openLabels(mapping.label, ''),
): RowReader {
  return new MappedRows(mapping, header, labelOf);
}

class MappedRows implements RowReader {
  label: number = labels.unknown;
  readonly #mapping: Mapping;
  readonly #header: readonly string[];
  readonly #decoder = createPaymentDecoder();
  readonly #timeColumn: number;
  readonly #amountColumn: number;
  readonly #time: TimeReader;
  readonly #amount: TimeReader;
  readonly #paymentId: TextPlan;
  readonly #ids: readonly NamedPlan<IdName>[];
  readonly #codes: readonly NamedPlan<CodeName>[];
  /** Codes that the decoder has taken before, by field. */
  readonly #known: ReadonlyMap<string, Set<string>> = new Map(codeNames.map((name) => [name, new Set()]));
  readonly #hasAddress: boolean;
  readonly #labelOf: LabelReader;
  #cells!: CsvCells;
  readonly #cell: (column: string) => string;

  constructor(mapping: Mapping, header: readonly string[], labelOf: LabelReader) {
    const { fields } = mapping;
    const planned = <Name extends keyof typeof fields>(names: readonly Name[]) =>
      names.flatMap((name) => {
        const field = fields[name] as TextField | undefined;
        return field === undefined ? [] : [{ name, plan: textPlan(field, header) }];
      });
    this.#mapping = mapping;
    this.#header = header;
    this.#timeColumn = header.indexOf(fields.occurredAt.column);
    this.#amountColumn = header.indexOf(fields.amountMinor.column);
    this.#time = timeReader(fields.occurredAt);
    this.#amount = amountReader(fields.amountMinor);
    this.#paymentId = textPlan(fields.paymentId, header);
    this.#ids = planned(idNames);
    this.#codes = planned(codeNames);
    this.#hasAddress = fields.ipAddress !== undefined;
    this.#labelOf = labelOf;
    // Of two columns with one name the first counts.
    const columnOf = new Map(header.map((name, c) => [name, c] as const).reverse());
    this.#cell = (name) => {
      const column = columnOf.get(name);
      return column === undefined ? '' : this.#cells.cell(column);
    };
  }

  read(cells: CsvCells, number: number): Payment | string {
    this.#cells = cells;
    const fraud = this.#labelOf(this.#cell);
    this.label = fraud === undefined ? labels.unknown : fraud ? labels.fraud : labels.genuine;
    return this.#plain(cells, number) ?? this.#thorough(cells, number);
  }

  #plain(cells: CsvCells, number: number): Payment | undefined {
    if (this.#hasAddress || cells.count <= this.#timeColumn || cells.count <= this.#amountColumn) return undefined;
    const { text, starts, ends } = cells;
    const [timeAt, amountAt] = [this.#timeColumn, this.#amountColumn];
    const occurredAtMs = this.#time(text, starts[timeAt] as number, ends[timeAt] as number);
    const amountMinor = this.#amount(text, starts[amountAt] as number, ends[amountAt] as number);
    if (!(occurredAtMs >= occurredAtMsMin && occurredAtMs <= occurredAtMsMax)) return undefined;
    if (!(amountMinor <= amountMinorMax)) return undefined;
    const payment = new Payment();
    payment.occurredAtMs = occurredAtMs;
    payment.amountMinor = amountMinor;
    payment.paymentId = textOf(this.#paymentId, cells, number);
    if (!isPlainId(payment.paymentId)) return undefined;
    for (let i = 0; i < this.#ids.length; i++) {
      const { name, plan } = this.#ids[i] as NamedPlan<IdName>;
      const id = textOf(plan, cells, number);
      if (id === '') continue;
      if (!isPlainId(id)) return undefined;
      payment[name] = id;
    }
    for (let i = 0; i < this.#codes.length; i++) {
      const { name, plan } = this.#codes[i] as NamedPlan<CodeName>;
      const code = textOf(plan, cells, number);
      if (code === '') continue;
      if (this.#known.get(name)?.has(code) !== true) return undefined;
      if (name === 'channel') payment.channel = code as Channel;
      else payment[name] = code;
    }
    return payment.customerId === '' || payment.currency === '' ? undefined : payment;
  }

  #thorough(cells: CsvCells, number: number): Payment | string {
    const row: Record<string, string> = Object.fromEntries(
      this.#header.slice(0, cells.count).map((name, c) => [name, cells.cell(c)]),
    );
    const outcome = mapRow(this.#mapping, row, number, this.#labelOf);
    if (!outcome.ok) return outcome.code;
    const json = JSON.stringify(outcome.row.payment);
    const payment = this.#decoder.decode(Buffer.from(json), Number.POSITIVE_INFINITY);
    if (!(payment instanceof Payment)) return payment.fields[0]?.code ?? payment.code;
    for (const { name } of this.#codes) {
      const [code, known] = [payment[name], this.#known.get(name)];
      if (code !== undefined && outcome.row.payment[name] === code && known !== undefined && known.size < knownCodesMax)
        known.add(code);
    }
    return payment;
  }
}

function textOf({ column, prefix, constant }: TextPlan, cells: CsvCells, number: number): string {
  if (column === -1) return constant;
  const own = column === -2 ? String(number) : cells.cell(column);
  return own === '' || prefix === '' ? own : prefix + own;
}
