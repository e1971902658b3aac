import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { lockDirectory } from '../../../src/adapters/sqlite/lock.ts';
import { startServer, waitFor } from '../../helpers/server.ts';

// Each test starts whole systems, one after another.
vi.setConfig({ testTimeout: 120_000 });
const directory = mkdtempSync(join(tmpdir(), 'holdfast-start-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const payment = {
  paymentId: 'start-1',
  occurredAt: '2026-01-05T12:00:00Z',
  amountMinor: 1999,
  currency: 'EUR',
  customerId: 'c-1',
  cardId: 'card-1',
};

describe('npm start', () => {
  test('Ctrl-C, also when it arrives twice as from a terminal through npm, stops it cleanly; the next start has the same decision', async () => {
    const first = await startServer(directory);
    const decided = await first.call('/v1/decisions', payment);
    expect(decided.status).toBe(200);
    first.process.kill('SIGINT');
    first.process.kill('SIGINT');
    expect(await first.exited).toBe(0);

    const second = await startServer(directory);
    const again = await second.call('/v1/decisions', payment);
    expect([again.status, again.body]).toEqual([200, decided.body]);
    expect(again.headers.get('idempotent-replay')).toBe('true');
    second.process.kill('SIGTERM');
    expect(await second.exited).toBe(0);
  });

  test('it prints where the console is, how to log in and a curl that works', async () => {
    const server = await startServer(mkdtempSync(join(directory, 'greeting-')));
    await waitFor('the greeting', async () => (server.said().includes('curl') ? true : undefined));
    expect(server.said()).toContain(server.url);
    server.process.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  });

  test('when the launcher is killed, what it started stops too, and frees the data directory', async () => {
    const own = mkdtempSync(join(directory, 'orphan-'));
    const server = await startServer(own);
    server.process.kill('SIGKILL');
    await server.exited;
    await waitFor('the orphan frees the directory', async () => {
      lockDirectory(own).release();
      return true;
    });
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    const next = await startServer(own);
    next.process.kill('SIGTERM');
    expect(await next.exited).toBe(0);
  });

  test('a start while the one before is still stopping waits for it', async () => {
    const own = mkdtempSync(join(directory, 'restart-'));
    const first = await startServer(own);
    first.process.kill('SIGTERM');
    const second = await startServer(own);
    expect(await first.exited).toBe(0);
    second.process.kill('SIGTERM');
    expect(await second.exited).toBe(0);
  });

  test('a second start on a directory in use is refused with a sentence, and the first one goes on', async () => {
    const own = mkdtempSync(join(directory, 'twice-'));
    const first = await startServer(own);
    await expect(startServer(own)).rejects.toThrow(/code 1: .*HOLDFAST_DATA_DIR/s);
    expect((await first.call('/v1/decisions', payment)).status).toBe(200);
    first.process.kill('SIGTERM');
    expect(await first.exited).toBe(0);
  });
});
