import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { holdfast } from '../../helpers/cli.ts';

// It loads the embedded ClickHouse in a process of its own.
vi.setConfig({ testTimeout: 120_000 });
const directory = mkdtempSync(join(tmpdir(), 'holdfast-doctor-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const doctor = async (environment: NodeJS.ProcessEnv) => {
  const { code, stdout } = await holdfast(['doctor', '--json'], {
    HOLDFAST_DATA_DIR: directory,
    HOLDFAST_PORT: '0',
    ...environment,
  });
  const { ok, checks } = JSON.parse(stdout) as {
    ok: boolean;
    checks: { name: string; ok: boolean; detail: string; remedy?: string }[];
  };
  return { code, ok, wrong: checks.filter((check) => !check.ok), names: checks.map((check) => check.name) };
};

describe('doctor checks everything and says what is wrong and what to do', () => {
  test('on a sound machine nothing is wrong', async () => {
    expect(await doctor({})).toEqual({
      code: 0,
      ok: true,
      wrong: [],
      names: [
        'environment',
        'node',
        'data directory',
        'lock',
        'disk',
        'port',
        'release',
        'clickhouse',
        'kafka',
        'redis',
        'clickhouse server',
      ],
    });
  });

  test('a taken port is found, with what holds it, and the other checks still run', async () => {
    const server = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const found = await doctor({ HOLDFAST_PORT: String(port) });
    expect(found).toMatchObject({
      code: 1,
      wrong: [{ name: 'port', remedy: expect.stringContaining('HOLDFAST_PORT') }],
    });
    expect(found.names).toContain('clickhouse');
    server.close();
    server.closeAllConnections();
  });

  test('a data directory that cannot be written is wrong configuration (2) and names the setting', async () => {
    const { code, wrong } = await doctor({ HOLDFAST_DATA_DIR: '/dev/null/holdfast' });
    expect(code).toBe(2);
    expect(wrong[0]).toMatchObject({ name: 'data directory', remedy: expect.stringContaining('HOLDFAST_DATA_DIR') });
  });

  test('a real service that this version cannot use is named, not ignored', async () => {
    const { code, wrong } = await doctor({ DATABASE_URL: 'postgres://localhost/x' });
    expect([code, wrong[0]?.detail.includes('DATABASE_URL')]).toEqual([2, true]);
  });

  test('a configured engine that does not answer is a dependency out of reach (3), each by its name', async () => {
    const gone = '127.0.0.1:1';
    const engines = { KAFKA_BROKERS: gone, REDIS_URL: `redis://:secret@${gone}`, CLICKHOUSE_URL: `http://${gone}` };
    const { code, wrong } = await doctor(engines);
    expect([code, wrong.map(({ name }) => name)]).toEqual([3, ['kafka', 'redis', 'clickhouse server']]);
    expect(JSON.stringify(wrong)).not.toContain('secret');
  });
});
