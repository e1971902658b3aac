/** Simulated payments as lines of a file. */
import { textFieldNames } from '../../domain/paymentFields.ts';
import { formatTimestamp } from '../../domain/timestamp.ts';
import type { PaymentJson, SimulatedPayment } from '../../simulator/types.ts';

const columns = [
  'paymentId',
  'occurredAt',
  'amountMinor',
  'currency',
  ...textFieldNames,
] as const satisfies readonly (keyof PaymentJson)[];

/** No simulated value holds a comma, a quote or a line break. */
export function* csvLines(payments: Iterable<SimulatedPayment>): Generator<string> {
  yield [...columns, 'label', 'scenario'].join(',');
  for (const { payment, label, scenario } of payments) {
    yield [...columns.map((column) => payment[column] ?? ''), label, scenario].join(',');
  }
}

/**
 * Lines in the contract's forms: payments, and between them the label of each fraud at the time when it is known. Labels that fall due after
 * the last payment come at the end.
 */
export function* ndjsonLines(payments: Iterable<SimulatedPayment>, labelsDelayMs: number): Generator<string> {
  const labels: { readonly dueMs: number; readonly paymentId: string }[] = [];
  const labelLine = ({ dueMs, paymentId }: { dueMs: number; paymentId: string }): string =>
    JSON.stringify({ paymentId, label: 'fraud', source: 'chargeback', labelledAt: formatTimestamp(dueMs) });
  for (const { payment, occurredAtMs, label } of payments) {
    while (labels.length > 0 && labels[0]!.dueMs <= occurredAtMs) yield labelLine(labels.shift()!);
    yield JSON.stringify(payment);
    if (label === 'fraud') labels.push({ dueMs: occurredAtMs + labelsDelayMs, paymentId: payment.paymentId });
  }
  for (const label of labels) yield labelLine(label);
}
