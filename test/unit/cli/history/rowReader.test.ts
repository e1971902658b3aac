/**
 * Guarantee: a CSV row read straight from the text is the same payment, with the same label, or is refused with the same code, as the
 * one that replay makes of it through csv-parse, the mapping and the payment decoder; whatever the cells, quotes and line ends.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPayments } from '../../../../src/cli/history/payments.ts';
import type { Mapping } from '../../../../src/cli/replay/mapping.ts';
import { openSource } from '../../../../src/cli/replay/source.ts';
import { createPaymentDecoder } from '../../../../src/domain/decode.ts';
import { Payment } from '../../../../src/domain/payment.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-rows-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const columns = ['id', 'at', 'amount', 'currency', 'customer', 'card', 'channel', 'mcc', 'country', 'ip', 'label'];
const mapping = (more: Partial<Mapping['fields']>): Mapping => ({
  name: 'test',
  columns,
  fields: {
    paymentId: { column: 'id' },
    occurredAt: { column: 'at', zone: 'Z' },
    amountMinor: { column: 'amount', decimals: 2, round: true },
    currency: { column: 'currency' },
    customerId: { column: 'customer', prefix: 'C-' },
    cardId: { column: 'card' },
    channel: { column: 'channel' },
    merchantCategoryCode: { column: 'mcc' },
    country: { column: 'country' },
    ...more,
  },
  label: { column: 'label', fraud: ['1', 'x'], legitimate: ['0'] },
});
const mappings: readonly Mapping[] = [
  mapping({}),
  mapping({ occurredAt: { column: 'at', zone: '+05:30' }, amountMinor: { column: 'amount', decimals: 3 } }),
  mapping({
    occurredAt: { column: 'at', unitMs: 1000, since: '2020-01-01T00:00:00Z' },
    paymentId: { rowNumber: true, prefix: 'r' },
  }),
  mapping({ ipAddress: { column: 'ip' }, currency: { value: 'EUR' }, terminalId: { column: 'nowhere' } }),
  mapping({ occurredAt: { column: 'at' }, channel: { value: 'atm' }, amountMinor: { column: 'amount', decimals: 0 } }),
];

const odd = fc.oneof(
  fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[\r\n\0]/g, '')),
  fc.constantFrom(
    '',
    ' ',
    'a,b',
    'a"b',
    'Zoë',
    '4111111111111111',
    '4111 1111 1111 1111',
    'x'.repeat(128),
    'x'.repeat(129),
    '\u0085',
  ),
);
const mostly = (usual: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 60, arbitrary: usual }, { weight: 1, arbitrary: odd });
const days = fc
  .integer({ min: 10_000, max: 40_000 })
  .map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10));
const two = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'));
const times = fc.oneof(
  fc
    .tuple(
      days,
      fc.constantFrom('T', 'T', 'T', ' ', ' ', ' ', '_'),
      two(24),
      two(60),
      two(60),
      fc.constantFrom('', '', '', '', '', '', '.5', '.1234', 'Z', '+01:00'),
    )
    .map(([day, between, hour, minute, second, rest]) => `${day}${between}${hour}:${minute}:${second}${rest}`),
  fc.integer({ min: -5, max: 400_000_000 }).map(String),
  fc.constantFrom('2021-02-29 10:00:00', '2021-02-28 10:00:00', '999999999999999', '1999-12-31 23:59:59'),
);
const amounts = fc.oneof(
  fc.integer({ min: 0, max: 1e9 }).map((n) => (n / 100).toFixed(2)),
  fc.integer({ min: 0, max: 1e9 }).map((n) => (n / 100).toFixed(2)),
  fc.integer({ min: 0, max: 1e9 }).map((n) => String(n / 1000)),
  fc.double({ min: 0, max: 1e6, noNaN: true }).map(String),
  fc.constantFrom(
    '0',
    '00012.50',
    '1.',
    '.5',
    '1e3',
    '-1',
    '9000000000000000',
    '90000000000000.00',
    '87.69999999999999',
    '1.005',
    '12.3000',
    '5.9',
  ),
);
const rowOf = fc.record({
  id: mostly(fc.integer({ min: 0, max: 1e9 }).map(String)),
  at: mostly(times),
  amount: mostly(amounts),
  currency: mostly(fc.constantFrom('EUR', 'USD', 'JPY', 'EUR', 'USD', 'JPY', 'eur')),
  customer: mostly(fc.integer({ min: 0, max: 99 }).map(String)),
  card: mostly(fc.constantFrom('k1', 'k2', '', '123456789012', 'token-4111111111111111')),
  channel: mostly(fc.constantFrom('ecommerce', 'atm', '')),
  mcc: mostly(fc.constantFrom('5411', '0742', '')),
  country: mostly(fc.constantFrom('DE', 'FR', 'DE', 'FR', 'DE', 'FR', 'XX', '')),
  ip: mostly(fc.constantFrom('', '10.0.0.1', '::1', '', '10.0.0.1', '010.0.0.1')),
  label: mostly(fc.constantFrom('0', '1', '', 'x')),
  cells: fc.constantFrom(11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 3, 12),
  quoted: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
});
type Row = typeof rowOf extends fc.Arbitrary<infer T> ? T : never;

function lineOf(row: Row): string {
  const cells = [...columns.map((name) => row[name as 'id']), 'more'].slice(0, row.cells);
  return cells.map((text) => (row.quoted || /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',');
}

interface Read {
  readonly payments: readonly (Payment & { readonly label: number })[];
  readonly refused: number;
}

async function bySource(path: string, by: Mapping): Promise<Read> {
  const decoder = createPaymentDecoder();
  const payments: (Payment & { label: number })[] = [];
  let refused = 0;
  for await (const item of openSource(path, by).items()) {
    const payment =
      item.kind === 'payment' ? decoder.decode(Buffer.from(item.json), Number.POSITIVE_INFINITY) : undefined;
    if (payment instanceof Payment && item.kind === 'payment') {
      payments.push(Object.assign(payment, { label: item.fraud === undefined ? 2 : Number(item.fraud) }));
    } else refused += 1;
  }
  return { payments, refused };
}

async function byReader(path: string, by: Mapping): Promise<Read> {
  const source = openPayments(path, by);
  const payments: (Payment & { label: number })[] = [];
  for await (const some of source.payments()) {
    some.payments.forEach((payment, i) => payments.push(Object.assign(payment, { label: some.frauds[i] ?? -1 })));
  }
  return { payments, refused: source.refusedCount };
}

test('rows read from the text are those that replay reads', { timeout: 120_000 }, async () => {
  let files = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...mappings),
      fc.array(rowOf, { minLength: 20, maxLength: 60 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      async (by, rows, end, ends) => {
        const path = join(directory, `${files++}.csv`);
        const text = `\ufeff${[columns.join(','), '', ...rows.map(lineOf)].join(end)}${ends ? end : ''}`;
        await writeFile(path, text);
        const [expected, read] = await Promise.all([bySource(path, by), byReader(path, by)]);
        expect(read).toEqual(expected);
        await rm(path);
      },
    ),
    { numRuns: 300, endOnFailure: true },
  );
});

test('a cell with a line end inside of its quotes is one cell, also where a piece of the file ends in it', async () => {
  const path = join(directory, 'quoted.csv');
  const row = (n: number) => `"p\n${n}",2020-01-01 00:00:00,1.00,EUR,c,k,atm,,,,0`;
  await writeFile(path, [columns.join(','), ...Array.from({ length: 20_000 }, (_, n) => row(n))].join('\n'));
  const { payments, refused } = await byReader(path, mappings[0] as Mapping);
  // A line end is a control character: no identifier has one. The rows are whole all the same.
  expect([payments.length, refused]).toEqual([0, 20_000]);
  await writeFile(path, `${columns.join(',')}\n"p1`);
  await expect(byReader(path, mappings[0] as Mapping)).rejects.toThrow('ends inside of a quoted cell');
});
