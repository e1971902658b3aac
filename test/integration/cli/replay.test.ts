import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { holdfast } from '../../helpers/cli.ts';
import { type RunningServer, serverKey, startServer } from '../../helpers/server.ts';

// Processes are started and every batch is made durable; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });
const directory = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
const file = (name: string): string => join(directory, name);
let server: RunningServer;

beforeAll(async () => {
  server = await startServer(join(directory, 'data'));
});
afterAll(async () => {
  server.process.kill('SIGTERM');
  await server.exited;
  rmSync(directory, { recursive: true, force: true });
});

const replay = async (name: string, ...more: string[]) => {
  const result = await holdfast(['replay', file(name), '--url', server.url, '--json', ...more], {
    HOLDFAST_API_KEY: serverKey,
  });
  return { ...result, summary: result.code === 0 ? JSON.parse(result.stdout) : undefined };
};

describe('replay against a running Holdfast', () => {
  test('an NDJSON file with labels is decided whole; the summary counts what happened; once more changes nothing', async () => {
    await holdfast([
      'simulate',
      '--customers',
      '60',
      '--terminals',
      '400',
      '--days',
      '9',
      '--attacks-per-day',
      '1',
      '--out',
      file('a.ndjson'),
    ]);
    const lines = readFileSync(file('a.ndjson'), 'utf8').trim().split('\n');
    const labels = lines.filter((line) => line.includes('"label"')).length;
    const first = await replay('a.ndjson');
    expect(first.summary).toMatchObject({
      rows: lines.length - labels,
      decisions: lines.length - labels,
      refused: 0,
      repeated: 0,
      labelsSent: labels,
      labelsRefused: 0,
      frauds: labels,
    });
    expect(first.summary.recall).toBeGreaterThanOrEqual(0);

    const second = await replay('a.ndjson');
    expect(second.summary).toMatchObject({
      repeated: lines.length - labels,
      holds: first.summary.holds,
      recall: first.summary.recall,
    });
  });

  test('a CSV file gives the same decisions as the NDJSON of the same simulation', async () => {
    const small = ['--customers', '40', '--terminals', '300', '--days', '3', '--seed', '9'];
    await holdfast(['simulate', ...small, '--out', file('b.csv')]);
    await holdfast(['simulate', ...small, '--out', file('b.ndjson')]);
    const csv = await replay('b.csv');
    const ndjson = await replay('b.ndjson');
    // Same ids, same content: every payment of the second is the decision of the first.
    expect(ndjson.summary).toMatchObject({ repeated: csv.summary.decisions, refused: 0, holds: csv.summary.holds });
  });

  test('bad lines are reported with line number and code and stop nothing', async () => {
    const good = (id: string): string =>
      JSON.stringify({
        paymentId: id,
        occurredAt: '2026-01-05T12:00:00Z',
        amountMinor: 1,
        currency: 'EUR',
        customerId: 'c',
      });
    const pan = good('c3').replace('"customerId":"c"', '"customerId":"4111111111111111"');
    writeFileSync(
      file('c.ndjson'),
      [good('c1'), 'not json', pan, good('c4').replace('EUR', 'EURO'), good('c5')].join('\n'),
    );
    const { summary, stderr } = await replay('c.ndjson');
    expect(summary).toMatchObject({
      rows: 5,
      decisions: 2,
      refused: 3,
      refusedByCode: { malformed_json: 1, invalid_payment: 2 },
      refusedLines: [
        { line: 2, code: 'malformed_json' },
        { line: 3, code: 'invalid_payment' },
        { line: 4, code: 'invalid_payment' },
      ],
    });
    expect(stderr).toContain('line 3: invalid_payment');
    expect(stderr).not.toContain('4111111111111111');
  });

  test('a wrong key is wrong usage and says which option to correct', async () => {
    const { code, stderr } = await holdfast(['replay', file('a.ndjson'), '--url', server.url, '--key', 'wrong']);
    expect([code, stderr.includes('--key')]).toEqual([2, true]);
  });
});
