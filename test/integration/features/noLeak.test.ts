// Guarantee: over the handbook's payments of 20 days, 160,000 and more, no feature of the default release knows anything of the
// future: all of them are the same, for each payment, when every later payment and every label that is not yet known is another.
import { expect, test } from 'vitest';
import { openPayments } from '../../../src/cli/history/payments.ts';
import {
  altered,
  another,
  dayMs,
  firstDifference,
  historyOf,
  type LabelledPayment,
} from '../../helpers/alteredFuture.ts';
import { requires } from '../../helpers/requirements.ts';

const handbook = requires('handbook');
const days = 20;
const endMs = Date.UTC(2018, 3, 1) + days * dayMs;
/** Payments after the moment at which the two histories part. */
const laterRows = 20_000;

async function firstPayments(path: string): Promise<LabelledPayment[]> {
  const rows: LabelledPayment[] = [];
  for await (const { payments, frauds } of openPayments(path, undefined).payments()) {
    payments.forEach((payment, i) => rows.push({ payment, fraud: frauds[i] === 1 }));
    if ((payments.at(-1)?.occurredAtMs ?? 0) >= endMs) break;
  }
  return rows.filter(({ payment }) => payment.occurredAtMs < endMs);
}

test.skipIf(!handbook.met)('nothing of the future is in the handbook’s features', { timeout: 600_000 }, async () => {
  const rows = await firstPayments(handbook.path);
  const kept = rows.length - laterRows;
  const later = rows.slice(kept).map(({ payment, fraud }) => ({ payment: another(payment), fraud: !fraud }));
  const before = await historyOf(rows);
  const after = await historyOf(altered(rows, kept, later));
  expect(kept).toBeGreaterThan(160_000);
  expect(firstDifference(before, after, kept)).toBeUndefined();
  // What is later does differ: the comparison sees something.
  expect(firstDifference(before, after, rows.length)).toMatch(/^row \d+: /);
});
