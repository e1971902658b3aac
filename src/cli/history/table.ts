/** A feature table as CSV text: id, time, label, and every feature of each payment as it was when the payment was decided. */
import type { Payment } from '../../domain/payment.ts';
import { formatTimestamp } from '../../domain/timestamp.ts';
import type { FedRows } from './feed.ts';
import { labels } from './labelled.ts';

const special = /[",\r\n]/;

function cell(text: string): string {
  return special.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function tableHeader(names: readonly string[]): string {
  return `${['id', 'time', 'label', ...names].map(cell).join(',')}\n`;
}

/** Numbers in the shortest form that reads back as the same number; what is missing is empty, as a label that is not known. */
export function tableRows({ payments, frauds, rows, features }: FedRows): string {
  const { featureCount, values } = features;
  let text = '';
  for (let row = 0; row < rows; row++) {
    const { paymentId, occurredAtMs } = payments[row] as Payment;
    const label = frauds[row] as number;
    text += `${cell(paymentId)},${formatTimestamp(occurredAtMs)},${label === labels.unknown ? '' : label}`;
    const end = (row + 1) * featureCount;
    for (let at = row * featureCount; at < end; at++) {
      const value = values[at] as number;
      text += Number.isNaN(value) ? ',' : `,${value}`;
    }
    text += '\n';
  }
  return text;
}
