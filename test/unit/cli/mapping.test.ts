import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { mapRow } from '../../../src/cli/replay/mapRow.ts';
import { builtInMappings, chooseMapping, readMapping, requireColumns } from '../../../src/cli/replay/mapping.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-mapping-'));
afterAll(() => rmSync(directory, { recursive: true }));
const builtIn = (name: string) => builtInMappings().find((mapping) => mapping.name === name)!;

describe('a mapping turns a foreign row into a payment, or says by code why it cannot', () => {
  const handbook = {
    TRANSACTION_ID: '3527',
    TX_DATETIME: '2018-04-01 10:17:43',
    CUSTOMER_ID: '3774',
    TERMINAL_ID: '3059',
    TX_AMOUNT: '225.41',
    TX_FRAUD: '1',
  };

  test("the handbook's row: UTC, cents, one card a customer, the label", () => {
    expect(mapRow(builtIn('handbook'), handbook, 1)).toEqual({
      ok: true,
      row: {
        payment: {
          paymentId: '3527',
          occurredAt: '2018-04-01T10:17:43.000Z',
          amountMinor: 22_541,
          currency: 'EUR',
          customerId: '3774',
          cardId: '3774',
          terminalId: '3059',
          channel: 'card_present',
        },
        occurredAtMs: Date.UTC(2018, 3, 1, 10, 17, 43),
        fraud: true,
      },
    });
  });

  test("cloudwalk's row: microseconds cut to milliseconds, empty columns left out, the masked card number as it is", () => {
    const row = {
      transaction_id: '21320400',
      merchant_id: '47759',
      user_id: '14777',
      card_number: '425850******7024',
      transaction_date: '2019-12-01T22:22:43.021995',
      transaction_amount: '760.36',
      device_id: '',
      has_cbk: 'FALSE',
    };
    const outcome = mapRow(builtIn('cloudwalk'), row, 1);
    expect(outcome).toMatchObject({
      row: {
        payment: { occurredAt: '2019-12-01T22:22:43.021Z', amountMinor: 76_036, cardId: '425850******7024' },
        fraud: false,
      },
    });
    expect(JSON.stringify(outcome)).not.toContain('deviceId');
  });

  test('amlsim: a step is a day, the row number is the id', () => {
    const row = { sourceNodeId: '216', targetNodeId: '14730', value: '163.3', time: '1' };
    expect(mapRow(builtIn('amlsim'), row, 7)).toMatchObject({
      row: {
        payment: { paymentId: 'amlsim-7', occurredAt: '2020-01-02T00:00:00.000Z', amountMinor: 16_330 },
        fraud: undefined,
      },
    });
  });

  test.each([
    [{ TX_AMOUNT: 'much' }, 'amount_format'],
    [{ TX_AMOUNT: '1e300' }, 'amount_format'],
    [{ TX_DATETIME: '2018-02-30 00:00:00' }, 'time_format'],
    [{ TX_DATETIME: '' }, 'time_format'],
  ])('%j is refused as %s', (change, code) => {
    expect(mapRow(builtIn('handbook'), { ...handbook, ...change }, 1)).toEqual({ ok: false, code });
  });

  test('a time with a zone of its own keeps it, whatever the mapping says', () => {
    expect(mapRow(builtIn('handbook'), { ...handbook, TX_DATETIME: '2018-04-01T10:17:43+02:00' }, 1)).toMatchObject({
      row: { payment: { occurredAt: '2018-04-01T08:17:43.000Z' } },
    });
  });

  test('an unlabelled row is neither fraud nor legitimate', () => {
    expect(mapRow(builtIn('handbook'), { ...handbook, TX_FRAUD: '' }, 1)).toMatchObject({ row: { fraud: undefined } });
  });
});

describe('the mapping is found by the columns, and a wrong one is refused with what is wrong', () => {
  test.each(['handbook', 'cloudwalk', 'amlsim', 'holdfast'])('%s is known by its own columns and no other', (name) => {
    expect(chooseMapping([...builtIn(name).columns, 'more']).name).toBe(name);
  });

  test('unknown columns name the known kinds of file', () => {
    expect(() => chooseMapping(['a', 'b'])).toThrow(/a, b.*none.*handbook/);
  });

  test('a mapping that reads columns the file lacks names them', () => {
    expect(() => requireColumns(builtIn('handbook'), ['TRANSACTION_ID', 'TX_DATETIME'])).toThrow(
      /TX_AMOUNT, CUSTOMER_ID/,
    );
  });

  test.each([
    ['{', /cannot be read/],
    ['{}', /not valid/],
    [JSON.stringify({ ...builtInMappings()[0], surprise: 1 }), /not valid/],
  ])('the file %j is refused with exit code 2', (text, message) => {
    const path = join(directory, 'mapping.json');
    writeFileSync(path, text);
    expect(() => readMapping(path)).toThrow(message);
    expect(() => readMapping(path)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});
