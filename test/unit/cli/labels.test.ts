// Guarantee: a mapping can take labels from another file that lies beside the payments, by the values of columns that both have; what
// that file does not name is as the mapping says. A file that is not there, or lacks a column, is named.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPayments } from '../../../src/cli/history/payments.ts';
import { openLabels } from '../../../src/cli/replay/labels.ts';
import { type Mapping, readMapping } from '../../../src/cli/replay/mapping.ts';
import { openSource } from '../../../src/cli/replay/source.ts';

const from = { file: 'accounts.csv.gz', on: { payer: 'id', step: 'since' }, absent: 'legitimate' as const };
const mapping: Mapping = {
  name: 'transfers',
  columns: ['payer', 'step', 'amount'],
  fields: {
    paymentId: { rowNumber: true },
    occurredAt: { column: 'step', unitMs: 86_400_000, since: '2020-01-01T00:00:00Z' },
    amountMinor: { column: 'amount', decimals: 0 },
    currency: { value: 'EUR' },
    customerId: { column: 'payer' },
  },
  label: { from, column: 'bad', fraud: ['1'], legitimate: ['0'] },
};

let directory = '';
let transfers = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-labels-'));
  transfers = join(directory, 'transfers.csv');
  await writeFile(transfers, 'payer,step,amount\nA,1,10\nA,2,10\nB,2,10\nC,3,10\n');
  await writeFile(join(directory, 'accounts.csv.gz'), gzipSync('id,since,bad\nA,2,1\nB,2,0\nC,3,?\n'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('labels of another file', () => {
  it('are joined by all the columns, for training and for replay', async () => {
    const read: number[] = [];
    for await (const { frauds } of openPayments(transfers, mapping).payments()) read.push(...frauds);
    expect(read).toEqual([0, 1, 0, 2]);
    const replayed: unknown[] = [];
    for await (const item of openSource(transfers, mapping).items()) replayed.push('fraud' in item && item.fraud);
    expect(replayed).toEqual([false, true, false, undefined]);
  });

  it('are unknown where the file does not name a payment and the mapping does not say what then', () => {
    const { absent: _, ...rest } = from;
    const label = openLabels({ column: 'bad', fraud: ['1'], legitimate: ['0'], from: rest }, transfers);
    expect(label(() => 'nobody')).toBeUndefined();
  });

  it('are refused by name where they cannot be read', async () => {
    const of = (change: Partial<typeof from>) => () =>
      openLabels({ column: 'bad', fraud: ['1'], legitimate: [], from: { ...from, ...change } }, transfers);
    expect(of({ file: 'nowhere.csv' })).toThrow(/The labels .*nowhere\.csv, which the mapping names, cannot be read/);
    expect(of({ on: { payer: 'id', step: 'when' } })).toThrow(/lack these columns: when/);
    await expect(async () => {
      const lacking = { ...mapping, label: { ...mapping.label!, from: { ...from, on: { payee: 'id' } } } };
      for await (const _ of openPayments(transfers, lacking).payments());
    }).rejects.toThrow(/does not have: payee/);
  });

  it('are what the mapping of AMLSim asks for', () => {
    const path = join(import.meta.dirname, '../../../config/amlsim/mapping.json');
    expect(readMapping(path).label?.from?.on).toEqual({ sourceNodeId: 'nodeid', time: 'fraudStep' });
  });
});
