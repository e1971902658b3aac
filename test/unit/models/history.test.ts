// Guarantee: training sees each payment as the live path would have: features as of its own time, and a fraud label in the
// velocity state from `delayDays` after its payment on, never before.
import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { dayMs } from '../../../src/cli/history/feed.ts';
import { buildHistory, type Retention } from '../../../src/cli/history/history.ts';
import type { LabelledPayments } from '../../../src/cli/history/labelled.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { compileFeatures } from '../../../src/features/program.ts';

const firstDay = Date.UTC(2020, 0, 1) / dayMs;

interface Row {
  /** Since the first day. */
  readonly atMs: number;
  readonly fraud?: boolean;
  readonly amountMinor?: number;
}

async function* payments(rows: readonly Row[]): AsyncGenerator<LabelledPayments> {
  const decoder = createPaymentDecoder();
  for (const [i, row] of rows.entries()) {
    const payment = decoder.decode(
      Buffer.from(
        JSON.stringify({
          paymentId: `p${i}`,
          occurredAt: new Date(firstDay * dayMs + row.atMs).toISOString(),
          amountMinor: row.amountMinor ?? 100,
          currency: 'EUR',
          customerId: 'c1',
          terminalId: 't1',
        }),
      ),
      Number.POSITIVE_INFINITY,
    );
    if (!(payment instanceof Payment)) throw new Error('the test made no payment');
    yield { payments: [payment], frauds: Uint8Array.of(row.fraud === true ? 1 : 0) };
  }
}

async function build(rows: readonly Row[], delayDays: number, from = firstDay, retention?: Retention) {
  const program = compileFeatures({
    version: 1,
    features: [
      { entity: 'terminal', aggregate: 'fraudRate', windows: ['30d'] },
      { entity: 'customer', aggregate: 'count', windows: ['24h'] },
    ],
  });
  const facts = ['terminal.fraudRate.30d', 'customer.count.24h', 'amountMinor'];
  const history = await buildHistory(payments(rows), {
    memory: createVelocityMemory(program, {}),
    facts,
    layout: { numeric: [...program.names, 'amountMinor'], categorical: [], featureCount: 2 },
    firstDay: from,
    endDay: firstDay + 20,
    ...(retention === undefined ? {} : { retention }),
    delayDays,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (history === undefined) throw new Error('stopped');
  const column = (fact: number): number[] =>
    Array.from({ length: history.rows }, (_, row) => history.facts.value(row, fact));
  return { history, column };
}

test('a label counts from exactly its delay on: not a millisecond before', async () => {
  const { column } = await build(
    [{ atMs: 0, fraud: true }, { atMs: 3 * dayMs - 1 }, { atMs: 3 * dayMs }, { atMs: 3 * dayMs + 1 }],
    3,
  );
  expect(column(0)).toEqual([0, 0, 1 / 3, 1 / 4]);
});

test('each payment is counted once, itself included, one after another within a batch', async () => {
  const { column } = await build(
    Array.from({ length: 300 }, (_, i) => ({ atMs: i * 1000, amountMinor: i })),
    7,
  );
  expect(column(1)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  expect(column(2)).toEqual(Array.from({ length: 300 }, (_, i) => i));
});

test('earlier days feed the state without a row of their own; later days are not read', async () => {
  const { history, column } = await build(
    [{ atMs: 0 }, { atMs: dayMs }, { atMs: dayMs + 1 }, { atMs: 25 * dayMs }],
    7,
    firstDay + 1,
  );
  expect(history.paymentsFed).toBe(3);
  expect([...history.days]).toEqual([firstDay + 1, firstDay + 1]);
  expect(column(1)).toEqual([1, 2]);
});

/** 3,000 payments over ten days, every fiftieth a fraud. */
const many: readonly Row[] = Array.from({ length: 3000 }, (_, i) => ({
  atMs: Math.floor((i * 10 * dayMs) / 3000),
  fraud: i % 50 === 0,
  amountMinor: i,
}));

test('between the days learned from and the test days only frauds are kept; within the bound nothing is sampled', async () => {
  const { history, column } = await build(many, 1, firstDay, { learnEndDay: firstDay + 4, testStartDay: firstDay + 8 });
  expect(history.genuineShare).toBe(1);
  const expected = many.flatMap(({ fraud }, i) => (i < 1200 || i >= 2400 || fraud === true ? [i] : []));
  expect(column(2)).toEqual(expected);
});

test('too many payments to learn from: frauds all stay, genuine ones by one chance whatever their day; the state sees all', async () => {
  const days = { learnEndDay: firstDay + 8, testStartDay: firstDay + 9 };
  const rowsMax = 500;
  const { history, column } = await build(many, 1, firstDay, { ...days, learnBytesMax: rowsMax * 3 * 8 });
  const amounts = column(2);
  const learned = amounts.filter((amount) => amount < 2400);
  const isFraud = (amount: number): boolean => amount % 50 === 0;
  expect(learned.length).toBeLessThanOrEqual(rowsMax);
  expect(learned.filter(isFraud)).toHaveLength(48);
  const kept = learned.filter((amount) => !isFraud(amount));
  expect(kept.length / (2400 - 48)).toBeCloseTo(history.genuineShare, 1);
  // The first half of the days is thinned as much as the second.
  expect(kept.filter((amount) => amount < 1200).length / kept.length).toBeCloseTo(0.5, 1);
  expect(amounts.filter((amount) => amount >= 2700)).toHaveLength(300);
  expect(amounts).toEqual(amounts.toSorted((a, b) => a - b));
  const whole = await build(many, 1);
  amounts.forEach((amount, row) => expect(column(0)[row]).toBe(whole.column(0)[amount]));
  expect([...history.frauds].filter((fraud) => fraud === 1)).toHaveLength(amounts.filter(isFraud).length);
});

test('frauds alone beyond the bound are refused with what to do', async () => {
  const all = many.map((row) => ({ ...row, fraud: true }));
  const retention = { learnEndDay: firstDay + 8, testStartDay: firstDay + 9, learnBytesMax: 500 * 3 * 8 };
  await expect(build(all, 1, firstDay, retention)).rejects.toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(/take fewer days/),
  });
});
