/** A file of labelled payments as decoded payments, some hundreds at a time. */
import { statSync } from 'node:fs';
import { wrongUsage } from '../../config/exit.ts';
import type { Mapping } from '../replay/mapping.ts';
import { readCsv } from './csvPayments.ts';
import { type LabelledPayments, Refusals } from './labelled.ts';
import { readNdjson } from './ndjsonPayments.ts';

export interface PaymentSource {
  readonly bytesTotal: number;
  /** Bytes of the file read so far, compressed as they are. */
  bytesRead(): number;
  /** Rows that are no payments, by the code of what is wrong, so far. */
  readonly refused: ReadonlyMap<string, number>;
  readonly refusedCount: number;
  /** To be read once. */
  payments(): AsyncGenerator<LabelledPayments, void, undefined>;
}

/** @throws CommandError (exit code 2) where there is no such file or its name says no known format */
export function openPayments(path: string, mapping: Mapping | undefined): PaymentSource {
  const kind = /\.(csv|ndjson|jsonl)(\.gz)?$/.exec(path)?.[1];
  if (kind === undefined)
    throw wrongUsage(`${path}: the name must end in .csv, .ndjson or .jsonl, each also with .gz.`);
  if (mapping !== undefined && kind !== 'csv')
    throw wrongUsage('--mapping is for CSV files; NDJSON lines are payments already.');
  let bytes: number;
  try {
    bytes = statSync(path).size;
  } catch {
    throw wrongUsage(`${path} cannot be read.`);
  }
  const refusals = new Refusals();
  const reader = kind === 'csv' ? readCsv(path, mapping, refusals) : readNdjson(path, refusals);
  return {
    bytesTotal: bytes * reader.passes,
    bytesRead: () => reader.bytesRead(),
    refused: refusals.byCode,
    get refusedCount() {
      return refusals.count;
    },
    payments: () => reader.payments(),
  };
}
