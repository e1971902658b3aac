import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { openSource, type ReplayItem } from '../../../src/cli/replay/source.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-source-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function read(name: string, content: string | Buffer): Promise<ReplayItem[]> {
  const path = join(directory, name);
  writeFileSync(path, content);
  const items: ReplayItem[] = [];
  for await (const item of openSource(path, undefined).items()) items.push(item);
  return items;
}

const header = 'TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n';

describe('a file is read item by item, and a bad line is an item too', () => {
  test('CSV, plain and gzipped, give the same; a bad row is named with its line in the file', async () => {
    const text = `${header}0,2018-04-01 00:00:31,596,3156,57.16,0\n1,when,4961,3412,81.51,0\n2,2018-04-01 00:07:56,2,1365,146.0,1\n`;
    const items = await read('a.csv', text);
    expect(items.map(({ kind, line }) => [kind, line])).toEqual([
      ['payment', 2],
      ['bad', 3],
      ['payment', 4],
    ]);
    expect(await read('a.csv.gz', gzipSync(text))).toEqual(items);
  });

  test('NDJSON lines are passed on byte for byte; labels are told from payments; what is no JSON object is bad', async () => {
    const payment = '{ "paymentId":"p1",  "amountMinor": 1.0 }';
    const items = await read(
      'b.ndjson',
      `${payment}\n\n{"paymentId":"p1","label":"fraud"}\nnot json\n[1]\n{"a":"${'x'.repeat(16_384)}"}\n`,
    );
    expect(items).toEqual([
      { kind: 'payment', line: 1, paymentId: 'p1', json: payment, occurredAtMs: undefined, fraud: undefined },
      { kind: 'label', line: 3, paymentId: 'p1', fraud: true, json: '{"paymentId":"p1","label":"fraud"}' },
      { kind: 'bad', line: 4, code: 'malformed_json' },
      { kind: 'bad', line: 5, code: 'invalid_payment' },
      { kind: 'bad', line: 6, code: 'payment_too_large' },
    ]);
  });

  test('a file that a mapping says is not in time order is sorted, equal times in the order of the file', async () => {
    const cloudwalk =
      'transaction_id,merchant_id,user_id,card_number,transaction_date,transaction_amount,device_id,has_cbk\n';
    const row = (id: number, time: string): string => `${id},1,2,4***3,2019-12-01T${time},1.00,,FALSE\n`;
    const items = await read('c.csv', cloudwalk + row(3, '03:00:00') + row(1, '01:00:00') + row(2, '01:00:00'));
    expect(items.map((item) => item.kind === 'payment' && item.paymentId)).toEqual(['1', '2', '3']);
  });

  test('a truncated gzip file ends in an error, not in a shorter replay', async () => {
    const whole = gzipSync(`${header}${'0,2018-04-01 00:00:31,596,3156,57.16,0\n'.repeat(10_000)}`);
    await expect(read('d.csv.gz', whole.subarray(0, whole.length - 100))).rejects.toThrow();
    await expect(read('e.ndjson.gz', gzipSync('{}\n'.repeat(1000)).subarray(0, 20))).rejects.toThrow();
  });

  test('unknown kinds of file and absent files are wrong usage', () => {
    expect(() => openSource('/nowhere/a.xlsx', undefined)).toThrow(/must end in/);
    expect(() => openSource('/nowhere/a.csv', undefined)).toThrow(/cannot be read/);
  });
});
