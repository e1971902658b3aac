/** `holdfast migrate`: says what it would do, does it once, and explains what is in its way without telling secrets. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClickHouseFront, startClickHouseFront } from '../../helpers/clickhouseFront.ts';
import { holdfast } from '../../helpers/cli.ts';

let dataDir: string;
let front: ClickHouseFront;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-migrate-'));
  front = await startClickHouseFront();
}, 60_000);
afterAll(async () => {
  await front.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('holdfast migrate', { timeout: 120_000 }, () => {
  const places = [
    ['the embedded engine', () => ({ HOLDFAST_DATA_DIR: dataDir })],
    [
      'a server',
      () => ({
        CLICKHOUSE_URL: front.url,
        CLICKHOUSE_USER: front.login.user,
        CLICKHOUSE_PASSWORD: front.login.password,
        CLICKHOUSE_DATABASE: 'by_command',
      }),
    ],
  ] as const;
  it.each(places)('on %s: a dry run changes nothing, then each migration is applied once', async (_, environment) => {
    const json = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { code, stdout } = await holdfast(['migrate', '--json', ...args], environment());
      expect(code).toBe(0);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const dry = await json('--dry-run');
    expect(dry).toMatchObject({ from: 0, applied: [] });
    expect(await json('--dry-run')).toEqual(dry);
    const versions = (dry['pending'] as { version: number }[]).map(({ version }) => version);
    expect(versions.length).toBeGreaterThan(0);
    expect(await json()).toMatchObject({ from: 0, applied: versions });
    expect(await json()).toMatchObject({ from: versions.at(-1), pending: [], applied: [] });
  });

  it('a server that is away is exit 3, a wrong password exit 1, and neither tells the password', async () => {
    const login = { CLICKHOUSE_USER: 'holdfast', CLICKHOUSE_PASSWORD: 'hunter2-secret' };
    const away = await holdfast(['migrate'], { CLICKHOUSE_URL: 'http://127.0.0.1:1', ...login });
    expect(away.code).toBe(3);
    const refused = await holdfast(['migrate'], { CLICKHOUSE_URL: front.url, ...login });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('AUTHENTICATION_FAILED');
    for (const { stdout, stderr } of [away, refused]) expect(stdout + stderr).not.toContain('hunter2');
  });
});
