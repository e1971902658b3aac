/** A file of payments as a stream of items, line by line: CSV by a mapping, or NDJSON in the contract's own form; gzip by the name. */
import { createReadStream, type ReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';
import { wrongUsage } from '../../config/exit.ts';
import { paymentBytesMax } from '../../domain/bounds.ts';
import { type LabelReader, openLabels } from './labels.ts';
import { type CsvRow, mapRow } from './mapRow.ts';
import { chooseMapping, type Mapping, requireColumns } from './mapping.ts';

export type ReplayItem =
  | {
      readonly kind: 'payment';
      readonly line: number;
      readonly paymentId: string;
      /** One payment's JSON, as it is sent. */
      readonly json: string;
      /** Known for CSV rows; an NDJSON payment's time is the server's to read. */
      readonly occurredAtMs: number | undefined;
      readonly fraud: boolean | undefined;
    }
  | {
      readonly kind: 'label';
      readonly line: number;
      readonly paymentId: string;
      readonly fraud: boolean;
      readonly json: string;
    }
  | { readonly kind: 'bad'; readonly line: number; readonly code: string };

export interface ReplaySource {
  readonly bytesTotal: number;
  /** Bytes of the file read so far, compressed as they are. */
  bytesRead(): number;
  items(): AsyncGenerator<ReplayItem, void, undefined>;
}

/** Rows that are held in memory to bring them into time order; about 500 MB. */
const sortedRowsMax = 1_000_000;
/** Longest CSV row that is read. */
const rowBytesMax = 1024 * 1024;

interface OpenFile {
  readonly file: ReadStream;
  readonly text: Readable;
}

function open(path: string): OpenFile {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  if (!path.endsWith('.gz')) return { file, text: file };
  const text = createGunzip();
  file.on('error', (error) => text.destroy(error));
  return { file, text: file.pipe(text) };
}

async function* csvItems(
  path: string,
  text: Readable,
  given: Mapping | undefined,
): AsyncGenerator<ReplayItem, void, undefined> {
  let mapping = given;
  let labelOf: LabelReader | undefined;
  const parser = text.pipe(
    parse({
      bom: true,
      columns: (header: string[]) => {
        mapping ??= chooseMapping(header);
        requireColumns(mapping, header);
        labelOf = openLabels(mapping.label, path);
        return header;
      },
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: rowBytesMax,
    }),
  );
  text.on('error', (error) => parser.destroy(error));
  let number = 0;
  const held: Extract<ReplayItem, { kind: 'payment' }>[] = [];
  for await (const record of parser) {
    if (mapping === undefined) throw new Error('a row came before the header');
    number += 1;
    const line = number + 1;
    const outcome = mapRow(mapping, record as CsvRow, number, labelOf);
    if (!outcome.ok) {
      yield { kind: 'bad', line, code: outcome.code };
      continue;
    }
    const { payment, occurredAtMs, fraud } = outcome.row;
    const item = {
      kind: 'payment',
      line,
      paymentId: String(payment['paymentId']),
      json: JSON.stringify(payment),
      occurredAtMs,
      fraud,
    } as const;
    if (mapping.order !== 'occurredAt') yield item;
    else if (held.push(item) > sortedRowsMax) {
      throw wrongUsage(
        `The mapping ${mapping.name} sorts by time, which is done in memory, for at most ${sortedRowsMax} rows.`,
      );
    }
  }
  yield* held.sort((a, b) => a.occurredAtMs! - b.occurredAtMs!);
}

function ndjsonItem(json: string, line: number): ReplayItem {
  let document: unknown;
  try {
    document = JSON.parse(json);
  } catch {
    return { kind: 'bad', line, code: 'malformed_json' };
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    return { kind: 'bad', line, code: 'invalid_payment' };
  const { paymentId, label } = document as { paymentId?: unknown; label?: unknown };
  const id = typeof paymentId === 'string' ? paymentId : '';
  if (label !== undefined) return { kind: 'label', line, paymentId: id, fraud: label === 'fraud', json };
  return { kind: 'payment', line, paymentId: id, json, occurredAtMs: undefined, fraud: undefined };
}

async function* ndjsonItems(text: Readable): AsyncGenerator<ReplayItem, void, undefined> {
  const lines = createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY });
  let line = 0;
  let failure: Error | undefined;
  text.on('error', (error) => {
    failure = error;
    lines.close();
  });
  for await (const json of lines) {
    line += 1;
    if (json.trim() === '') continue;
    // Sent on, it would cost the whole batch a 413.
    if (Buffer.byteLength(json) > paymentBytesMax) yield { kind: 'bad', line, code: 'payment_too_large' };
    else yield ndjsonItem(json, line);
  }
  if (failure !== undefined) throw failure;
}

/** @throws CommandError (exit code 2) where there is no such file or its name says no known format */
export function openSource(path: string, mapping: Mapping | undefined): ReplaySource {
  const kind = /\.(csv|ndjson|jsonl)(\.gz)?$/.exec(path)?.[1];
  if (kind === undefined)
    throw wrongUsage(`${path}: the name must end in .csv, .ndjson or .jsonl, each also with .gz.`);
  if (mapping !== undefined && kind !== 'csv')
    throw wrongUsage('--mapping is for CSV files; NDJSON lines are payments already.');
  let bytesTotal: number;
  try {
    bytesTotal = statSync(path).size;
  } catch {
    throw wrongUsage(`${path} cannot be read.`);
  }
  const { file, text } = open(path);
  return {
    bytesTotal,
    bytesRead: () => file.bytesRead,
    items: () => (kind === 'csv' ? csvItems(path, text, mapping) : ndjsonItems(text)),
  };
}
