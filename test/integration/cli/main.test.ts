import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { holdfast } from '../../helpers/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
afterAll(() => rmSync(directory, { recursive: true }));
const file = (name: string): string => join(directory, name);

describe('the command line ends with the exit codes of the contract and says what was wrong', () => {
  test.each([
    [['no-such-command'], {}, 'no-such-command'],
    [['replay'], {}, 'file'],
    [['replay', 'x.csv', '--rate', 'fast'], {}, '--rate'],
    [['replay', '/nowhere/x.csv'], {}, '/nowhere/x.csv'],
    [['replay', 'x.csv', '--url', 'ftp://x'], {}, '--url'],
    [['replay', 'x.csv', '--brokers', 'nowhere'], {}, 'KAFKA_BROKERS'],
    [['replay', 'x.csv'], { HOLDFAST_PROT: '1' }, 'HOLDFAST_PROT'],
    [['doctor'], { HOLDFAST_PORT: 'http' }, 'HOLDFAST_PORT'],
    [['simulate', '--out', 'x.txt'], {}, 'x.txt'],
    [['simulate', '--start', '2026-02-30', '--out', 'x.csv'], {}, '--start'],
  ])('%j with %j is wrong usage (2), and the message names %s', async (args, environment, named) => {
    const { code, stdout, stderr } = await holdfast(args, environment);
    expect([code, `${stdout}${stderr}`.includes(named)]).toEqual([2, true]);
  });

  test('help and version are done (0) and go to standard output', async () => {
    const help = await holdfast(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['up', 'replay', 'simulate', 'train', 'release', 'rules', 'doctor', 'bench'])
      expect(help.stdout).toContain(`  ${name} `);
    expect(await holdfast(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  test('a server that is not there is an unreachable dependency (3), and standard output stays empty for whoever parses it', async () => {
    await holdfast(['simulate', '--customers', '5', '--days', '2', '--out', file('few.ndjson')]);
    const result = await holdfast(['replay', file('few.ndjson'), '--url', 'http://127.0.0.1:9', '--json']);
    expect(result).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('http://127.0.0.1:9') });
  });
});

describe('simulate', () => {
  const small = ['simulate', '--customers', '60', '--terminals', '300', '--days', '4'];

  test('the same seed gives the same bytes, in every format; standard output holds the same NDJSON', async () => {
    await holdfast([...small, '--out', file('a.ndjson')]);
    await holdfast([...small, '--out', file('b.ndjson')]);
    await holdfast([...small, '--out', file('c.ndjson.gz')]);
    const bytes = readFileSync(file('a.ndjson'));
    expect(readFileSync(file('b.ndjson')).equals(bytes)).toBe(true);
    expect(gunzipSync(readFileSync(file('c.ndjson.gz'))).equals(bytes)).toBe(true);
    expect((await holdfast([...small, '--out', '-'])).stdout).toBe(bytes.toString());
    await holdfast([...small, '--seed', '2', '--out', file('d.ndjson')]);
    expect(readFileSync(file('d.ndjson')).equals(bytes)).toBe(false);
  });

  test('--json prints one document with the counts of the file', async () => {
    const { stdout } = await holdfast([...small, '--json', '--out', file('e.csv')]);
    const summary = JSON.parse(stdout);
    const rows = readFileSync(file('e.csv'), 'utf8').trim().split('\n').slice(1);
    expect(summary).toEqual({
      out: file('e.csv'),
      payments: rows.length,
      frauds: rows.filter((row) => row.includes(',fraud,')).length,
    });
  });
});
