// Guarantee: training sees each payment as the live path would have: features as of its own time, and a fraud label in the
// velocity state from `delayDays` after its payment on, never before.
import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { buildHistory, dayMs } from '../../../src/cli/train/history.ts';
import type { ReplayItem } from '../../../src/cli/replay/source.ts';
import { compileFeatures } from '../../../src/features/program.ts';

const firstDay = Date.UTC(2020, 0, 1) / dayMs;

interface Row {
  /** Since the first day. */
  readonly atMs: number;
  readonly fraud?: boolean;
  readonly terminal?: string;
  readonly amountMinor?: number;
}

async function* items(rows: readonly Row[]): AsyncGenerator<ReplayItem> {
  for (const [i, row] of rows.entries()) {
    const occurredAtMs = firstDay * dayMs + row.atMs;
    const payment = {
      paymentId: `p${i}`,
      occurredAt: new Date(occurredAtMs).toISOString(),
      amountMinor: row.amountMinor ?? 100,
      currency: 'EUR',
      customerId: 'c1',
      terminalId: row.terminal ?? 't1',
    };
    yield {
      kind: 'payment',
      line: i + 2,
      paymentId: payment.paymentId,
      json: JSON.stringify(payment),
      occurredAtMs,
      fraud: row.fraud ?? false,
    };
  }
}

async function build(rows: readonly Row[], delayDays: number, from = firstDay) {
  const program = compileFeatures({
    version: 1,
    features: [
      { entity: 'terminal', aggregate: 'fraudRate', windows: ['30d'] },
      { entity: 'customer', aggregate: 'count', windows: ['24h'] },
    ],
  });
  const facts = ['terminal.fraudRate.30d', 'customer.count.24h', 'amountMinor'];
  const history = await buildHistory(items(rows), {
    memory: createVelocityMemory(program, {}),
    facts,
    layout: { numeric: [...program.names, 'amountMinor'], categorical: [], featureCount: 2 },
    firstDay: from,
    endDay: firstDay + 20,
    delayDays,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (history === undefined) throw new Error('stopped');
  const rowsOf = Array.from({ length: history.days.length }, (_, row) => [
    ...history.facts.subarray(row * 3, row * 3 + 3),
  ]);
  return { history, rows: rowsOf };
}

test('a label counts from exactly its delay on: not a millisecond before', async () => {
  const { rows } = await build(
    [{ atMs: 0, fraud: true }, { atMs: 3 * dayMs - 1 }, { atMs: 3 * dayMs }, { atMs: 3 * dayMs + 1 }],
    3,
  );
  expect(rows.map((row) => row[0])).toEqual([0, 0, 1 / 3, 1 / 4]);
});

test('each payment is counted once, itself included, one after another within a batch', async () => {
  const { rows } = await build(
    Array.from({ length: 300 }, (_, i) => ({ atMs: i * 1000, amountMinor: i })),
    7,
  );
  expect(rows.map((row) => row[1])).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  expect(rows.map((row) => row[2])).toEqual(Array.from({ length: 300 }, (_, i) => i));
});

test('earlier days feed the state without a row of their own; later days are not read', async () => {
  const { history, rows } = await build(
    [{ atMs: 0 }, { atMs: dayMs }, { atMs: dayMs + 1 }, { atMs: 25 * dayMs }],
    7,
    firstDay + 1,
  );
  expect(history).toMatchObject({ paymentsFed: 3, refused: 0, days: [firstDay + 1, firstDay + 1] });
  expect(rows.map((row) => row[1])).toEqual([1, 2]);
});
