// Guarantee: `holdfast features` writes one line a payment, with the numbers of the online path in a form that reads back as the same
// numbers, and labels known late; from CSV and NDJSON, packed or not, to a file or to standard output. What cannot be done is said in a
// sentence with the right exit code, and then nothing is written.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openPayments } from '../../../src/cli/history/payments.ts';
import { historyOf, type LabelledPayment, program } from '../../helpers/alteredFuture.ts';

const main = resolve(import.meta.dirname, '../../../src/cli/main.ts');
const startMs = Date.UTC(2020, 0, 1);
const payments = 3000;
const header = 'TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD';

const timeOf = (i: number): Date => new Date(startMs + i * 20 * 60_000);
const amountOf = (i: number): number => 100 + ((i * 7919) % 9973);
const isFraud = (i: number): boolean => i % 17 === 3;

const csv = [
  header,
  ...Array.from({ length: payments }, (_, i) =>
    [
      i,
      timeOf(i).toISOString().slice(0, 19).replace('T', ' '),
      i % 13,
      i % 7,
      (amountOf(i) / 100).toFixed(2),
      Number(isFraud(i)),
    ].join(','),
  ),
].join('\n');

/** The same payments as NDJSON; the labels are lines of their own, at the end. */
const ndjson = [
  ...Array.from({ length: payments }, (_, i) => ({
    paymentId: String(i),
    occurredAt: timeOf(i).toISOString(),
    amountMinor: amountOf(i),
    currency: 'EUR',
    customerId: String(i % 13),
    cardId: String(i % 13),
    terminalId: String(i % 7),
    channel: 'card_present',
  })),
  ...Array.from({ length: payments }, (_, i) => ({
    paymentId: String(i),
    label: isFraud(i) ? 'fraud' : 'legitimate',
    source: 'chargeback',
    labelledAt: '2021-01-01T00:00:00Z',
  })),
]
  .map((document) => JSON.stringify(document))
  .join('\n');

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-features-'));
  await writeFile(join(directory, 'payments.csv'), csv);
  await writeFile(join(directory, 'payments.csv.gz'), gzipSync(csv));
  await writeFile(join(directory, 'payments.ndjson.gz'), gzipSync(ndjson));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
let before: string[] = [];
beforeEach(async () => {
  before = await readdir(directory);
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function features(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [main, 'features', ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

async function expectedTable(): Promise<number[][]> {
  const rows: LabelledPayment[] = [];
  for await (const some of openPayments(join(directory, 'payments.csv'), undefined).payments())
    some.payments.forEach((payment, i) => rows.push({ payment, fraud: some.frauds[i] === 1 }));
  const history = await historyOf(rows);
  return rows.map((_, row) => program.names.map((_name, fact) => history.facts.value(row, fact)));
}

test('the table is the same from CSV and NDJSON, and its numbers are those of the online path, bit for bit', async () => {
  const [plain, packed] = await Promise.all([
    features('payments.csv', '--out', 'a.csv', '--json'),
    features('payments.ndjson.gz', '--out', 'b.csv.gz'),
  ]);
  expect([plain.code, packed.code]).toEqual([0, 0]);
  expect(JSON.parse(plain.stdout)).toMatchObject({
    rows: payments,
    frauds: Array.from({ length: payments }, (_, i) => i).filter(isFraud).length,
    unlabelled: 0,
    refused: {},
    features: program.names.length,
    delayDays: 7,
  });
  const text = await readFile(join(directory, 'a.csv'), 'utf8');
  expect(gunzipSync(await readFile(join(directory, 'b.csv.gz'))).toString()).toBe(text);
  const [head = '', ...lines] = text.trimEnd().split('\n');
  expect(head.split(',')).toEqual(['id', 'time', 'label', ...program.names]);
  const cells = lines.map((line) => line.split(','));
  expect(cells.map(([id, time, label]) => [id, time, label])).toEqual(
    Array.from({ length: payments }, (_, i) => [String(i), timeOf(i).toISOString(), isFraud(i) ? '1' : '0']),
  );
  const numbers = cells.map((line) => line.slice(3).map((cell) => (cell === '' ? Number.NaN : Number(cell))));
  expect(numbers).toEqual(await expectedTable());
}, 60_000);

test('a label is known only after its delay, and standard output takes the table too', async () => {
  const [late, atOnce] = await Promise.all([
    features('payments.csv', '--out', '-', '--delay-days', '30'),
    features('payments.csv.gz', '--out', '-', '--delay-days', '0'),
  ]);
  const rates = (text: string): number[] => {
    const [head = '', ...lines] = text.trimEnd().split('\n');
    const column = head.split(',').indexOf('terminal.fraudRate.7d');
    return lines.map((line) => Number(line.split(',')[column]));
  };
  expect([late.code, atOnce.code]).toEqual([0, 0]);
  expect(Math.max(...rates(late.stdout).slice(0, 30 * 72))).toBe(0);
  expect(Math.max(...rates(atOnce.stdout).slice(0, 30 * 72))).toBeGreaterThan(0);
}, 60_000);

const rowAt = (text: string, i: number): string => text.split('\n')[i] ?? '';

test.each<[string, (path: string) => Promise<string[]>, number, RegExp]>([
  ['no such file', () => Promise.resolve(['none.csv', '--out', 'x.csv']), 2, /none\.csv cannot be read/],
  ['another kind of file', () => Promise.resolve(['payments.txt', '--out', 'x.csv']), 2, /must end in \.csv/],
  ['another kind of table', () => Promise.resolve(['payments.csv', '--out', 'x.parquet']), 2, /--out x\.parquet/],
  ['no such directory', () => Promise.resolve(['payments.csv', '--out', 'none/x.csv']), 2, /no directory none/],
  ['its own input', () => Promise.resolve(['payments.csv', '--out', './payments.csv']), 2, /is the file that is read/],
  ['no such release', () => Promise.resolve(['payments.csv', '--out', 'x.csv', '--release', 'none']), 2, /none/],
  [
    'both on standard output',
    () => Promise.resolve(['payments.csv', '--out', '-', '--json']),
    2,
    /standard output can hold one/,
  ],
  ['an empty file', (path) => writeFile(path, '').then(() => [path, '--out', 'x.csv']), 2, /is empty/],
  ['no payments', (path) => writeFile(path, header).then(() => [path, '--out', 'x.csv']), 1, /has no payments/],
  [
    'nothing but bad rows',
    (path) =>
      writeFile(path, `${header}\n1,yesterday,2,3,4.00,0\n2,today,2,3,4.00,0`).then(() => [path, '--out', 'x.csv']),
    1,
    /no payment that can be read \(2 × time_format\)/,
  ],
  [
    'unknown columns',
    (path) => writeFile(path, 'a,b\n1,2').then(() => [path, '--out', 'x.csv']),
    2,
    /fit none of the known kinds/,
  ],
  [
    'another order than time',
    (path) => writeFile(path, [header, rowAt(csv, 9), rowAt(csv, 2)].join('\n')).then(() => [path, '--out', 'x.csv']),
    1,
    /Payment 2 is earlier than the one before it: sort the file by time first/,
  ],
  [
    'a damaged gzip file',
    (path) => writeFile(`${path}.gz`, gzipSync(csv).subarray(0, 20_000)).then(() => [`${path}.gz`, '--out', 'x.csv']),
    1,
    /damaged/,
  ],
])(
  '%s: a sentence, and nothing written',
  async (_what, prepare, code, message) => {
    const path = join(directory, 'input.csv');
    const ended = await features(...(await prepare(path)));
    await rm(path, { force: true });
    await rm(`${path}.gz`, { force: true });
    expect(ended).toMatchObject({ code, stderr: expect.stringMatching(message) as string });
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(await readdir(directory)).toEqual(before);
  },
  30_000,
);
