/** One CSV row to one payment in the contract's JSON form. */
import { textFieldNames } from '../../domain/paymentFields.ts';
import { formatTimestamp, parseTimestamp } from '../../domain/timestamp.ts';
import { parseAmountMinor } from './amount.ts';
import { type LabelReader, openLabels } from './labels.ts';
import type { IdField, Mapping, TextField, TimeField } from './mapping.ts';

export type CsvRow = Readonly<Record<string, string>>;

export interface MappedRow {
  readonly payment: Readonly<Record<string, string | number>>;
  readonly occurredAtMs: number;
  /** undefined where the file does not say. */
  readonly fraud: boolean | undefined;
}
export type MapOutcome = { readonly ok: true; readonly row: MappedRow } | { readonly ok: false; readonly code: string };

const localTime = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?$/;
const wholeNumber = /^-?\d{1,15}$/;
const fractionDigits = 4;

function text(field: TextField | IdField, row: CsvRow, number: number): string {
  if ('value' in field) return field.value;
  const own = 'column' in field ? (row[field.column] ?? '') : String(number);
  return own === '' ? '' : `${field.prefix ?? ''}${own}`;
}

/** Milliseconds, or undefined. Fractions finer than a millisecond are cut off: the foreign file's clock, not the caller's promise. */
function time(field: TimeField, row: CsvRow): number | undefined {
  const value = row[field.column] ?? '';
  if ('unitMs' in field) {
    const since = parseTimestamp(field.since);
    return typeof since === 'number' && wholeNumber.test(value) ? since + Number(value) * field.unitMs : undefined;
  }
  const match = localTime.exec(value);
  const zone = match?.[4] ?? field.zone;
  if (match === null || zone === undefined) return undefined;
  const ms = parseTimestamp(`${match[1]}T${match[2]}${(match[3] ?? '').slice(0, fractionDigits)}${zone}`);
  return typeof ms === 'number' ? ms : undefined;
}

const textNames = ['currency', ...textFieldNames] as const;

/**
 * @param number counts rows from 1
 * @param labelOf opened once a file
 * @returns the payment, with empty optional columns left out, or the code of what is wrong. Whether identifiers and codes are valid is the
 *   server's to say.
 */
export function mapRow(
  mapping: Mapping,
  row: CsvRow,
  number: number,
  labelOf: LabelReader = openLabels(mapping.label, ''),
): MapOutcome {
  const { fields } = mapping;
  const occurredAtMs = time(fields.occurredAt, row);
  if (occurredAtMs === undefined) return { ok: false, code: 'time_format' };
  const { column, decimals, round } = fields.amountMinor;
  const amountMinor = parseAmountMinor(row[column] ?? '', decimals, round === true);
  if (typeof amountMinor === 'string') return { ok: false, code: amountMinor };
  const payment: Record<string, string | number> = {
    paymentId: text(fields.paymentId, row, number),
    occurredAt: formatTimestamp(occurredAtMs),
    amountMinor,
  };
  for (const name of textNames) {
    const field = fields[name];
    if (field === undefined) continue;
    const value = text(field, row, number);
    if (value !== '') payment[name] = value;
  }
  return { ok: true, row: { payment, occurredAtMs, fraud: labelOf((column) => row[column] ?? '') } };
}
