/** What a CSV file says of its payments: in a column of its own, or in another file that is found beside it. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { wrongUsage } from '../../config/exit.ts';
import type { Mapping } from './mapping.ts';

type Label = NonNullable<Mapping['label']>;
/** True is fraud, undefined where nobody says. */
export type LabelReader = (cell: (column: string) => string) => boolean | undefined;

/** A file of labels is held in memory: about 200 bytes a row. */
const labelRowsMax = 2_000_000;
const labelBytesMax = 256 * 1024 * 1024;
/** Stands in no cell of a sound file. */
const separator = '\u001f';

const keyOf = (columns: readonly string[], cell: (column: string) => string): string =>
  columns.map(cell).join(separator);

function contentOf(path: string): string {
  try {
    if (statSync(path).size <= labelBytesMax) {
      const bytes = readFileSync(path);
      return (path.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: labelBytesMax }) : bytes).toString('utf8');
    }
  } catch (error) {
    throw wrongUsage(`The labels ${path}, which the mapping names, cannot be read: ${(error as Error).message}`);
  }
  throw wrongUsage(
    `The labels ${path} are more than ${labelBytesMax / 1024 / 1024} MB: keep the columns and rows that are needed.`,
  );
}

/** By the joined columns' values what the label column says. */
function readTable(path: string, columns: readonly string[], column: string): ReadonlyMap<string, string> {
  let rows: readonly Readonly<Record<string, string>>[];
  try {
    rows = parse(contentOf(path), { bom: true, columns: true, skip_empty_lines: true, to: labelRowsMax + 1 });
  } catch (error) {
    if (error instanceof Error && error.name === 'CommandError') throw error;
    throw wrongUsage(`The labels ${path} are no CSV file: ${(error as Error).message}`);
  }
  if (rows.length > labelRowsMax) throw wrongUsage(`The labels ${path} have more than ${labelRowsMax} rows.`);
  const missing = [...columns, column].filter((name) => rows[0]?.[name] === undefined);
  if (missing.length > 0) throw wrongUsage(`The labels ${path} lack these columns: ${missing.join(', ')}.`);
  return new Map(rows.map((row) => [keyOf(columns, (name) => row[name] ?? ''), row[column] ?? '']));
}

/**
 * @param path the file of payments: a file of labels is found from where it lies
 * @throws CommandError (exit code 2) where the file of labels cannot be read or lacks a column
 */
export function openLabels(label: Label | undefined, path: string): LabelReader {
  if (label === undefined) return () => undefined;
  const [fraud, legitimate] = [new Set(label.fraud), new Set(label.legitimate)];
  const meaning = (text: string): boolean | undefined =>
    fraud.has(text) ? true : legitimate.has(text) ? false : undefined;
  const { from } = label;
  if (from === undefined) return (cell) => meaning(cell(label.column));
  const own = Object.keys(from.on);
  const table = readTable(resolve(dirname(path), from.file), Object.values(from.on), label.column);
  const absent = from.absent === undefined ? undefined : from.absent === 'fraud';
  return (cell) => {
    const text = table.get(keyOf(own, cell));
    return text === undefined ? absent : meaning(text);
  };
}
