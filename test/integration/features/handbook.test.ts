// Guarantee: over the handbook's 1,754,155 payments, each of its twelve windowed features of every payment, computed while
// the labels arrive seven days late, equals the plain recomputation, to the last bit and exact.
import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { lintFeatures } from '../../../src/features/lint.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import type { FeatureProgram } from '../../../src/features/types.ts';
import { requires } from '../../helpers/requirements.ts';
import { delayMs, handbookNames, HandbookOracle, type HandbookRow, handbookRows } from './handbookOracle.ts';

const handbook = requires('handbook');
const rowsInFile = 1_754_155;
const tenant = 'default';

/** The twelve as definitions. The default release leaves out those that its model and rules do not read. */
function handbookProgram(): FeatureProgram {
  const windows = ['24h', '7d', '30d'];
  const lint = lintFeatures({
    version: 1,
    filters: {},
    features: [
      { entity: 'customer', aggregate: 'count', windows },
      { entity: 'customer', aggregate: 'mean', field: 'amountMinor', windows },
      { entity: 'terminal', aggregate: 'count', windows, delay: '7d' },
      { entity: 'terminal', aggregate: 'fraudRate', windows, delay: '7d' },
    ],
    derived: [],
  });
  if (!lint.ok) throw new Error('the handbook’s features do not pass the lint');
  return compileFeatures(lint.definitions);
}

function toPayment(row: HandbookRow): Payment {
  return Object.assign(new Payment(), {
    paymentId: row.id,
    occurredAtMs: row.timeMs,
    amountMinor: row.amountMinor,
    currency: 'EUR',
    customerId: row.customer,
    terminalId: row.terminal,
  });
}

test.skipIf(!handbook.met)('the handbook’s features equal the plain recomputation', { timeout: 600_000 }, async () => {
  const program = handbookProgram();
  const columns = handbookNames.map((name) => program.names.indexOf(name));
  expect(columns.filter((column) => column < 0)).toEqual([]);
  const memory = createVelocityMemory(program);
  const oracle = new HandbookOracle();
  const out = createFeatureMatrix(program.names.length, 1);
  const unlabelled: Payment[] = [];
  let labelled = 0;
  let rows = 0;
  let lastMs = 0;
  let frauds = 0;
  for await (const row of handbookRows(handbook.path)) {
    if (row.timeMs < lastMs) throw new Error(`row ${row.id} is earlier than the one before`);
    lastMs = row.timeMs;
    rows++;
    while (labelled < unlabelled.length && unlabelled[labelled]!.occurredAtMs + delayMs <= row.timeMs) {
      memory.markLabel(tenant, { payment: unlabelled[labelled]!, fraud: true }, rows);
      labelled++;
    }
    const payment = toPayment(row);
    memory.appendAndRead(tenant, [payment], out, rows);
    const expected = oracle.add(row);
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]!;
      if (Object.is(out.values[column], expected[i]) && out.bounds[column] === 0) continue;
      throw new Error(
        `row ${rows}, ${JSON.stringify(row)}: ${handbookNames[i]} is ${out.values[column]} ± ${out.bounds[column]}, not ${expected[i]}`,
      );
    }
    if (row.fraud) {
      unlabelled.push(payment);
      frauds++;
    }
  }
  expect({ rows, frauds }).toEqual({ rows: rowsInFile, frauds: 14_681 });
});
