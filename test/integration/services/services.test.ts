import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { repository, runProgram } from '../../helpers/cli.ts';
import { requires } from '../../helpers/requirements.ts';

const program = 'scripts/services.ts';

async function startRedis(): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [program, 'redis', '--json'], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { REDIS_URL: url } = JSON.parse(line.toString()) as { REDIS_URL: string };
  return { child, port: Number(new URL(url).port) };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
const directories = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('holdfast-redis-'));

describe.skipIf(!requires('redis').met)('npm run services', { timeout: 60_000 }, () => {
  test('runs a command with the environment, ends with its exit code and leaves nothing behind', async () => {
    const before = directories();
    const script = 'process.stdout.write(process.env.REDIS_URL); process.exit(7)';
    const { code, stdout } = await runProgram([program, 'redis', 'run', process.execPath, '-e', script]);
    expect(code).toBe(7);
    expect(stdout).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/);
    expect(await answers(Number(new URL(stdout).port))).toBe(false);
    expect(directories().filter((name) => !before.includes(name))).toEqual([]);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)('after %s the services end too', async (signal) => {
    const { child, port } = await startRedis();
    expect(await answers(port)).toBe(true);
    child.kill(signal);
    const [code] = (await once(child, 'exit')) as [number | null];
    if (signal === 'SIGTERM') expect(code).toBe(0);
    await expect.poll(() => answers(port), { timeout: 20_000 }).toBe(false);
  });

  test('an unknown word is wrong usage', async () => {
    expect(await runProgram([program, 'kafak'])).toMatchObject({ code: 2, stderr: expect.stringContaining('usage') });
  });
});
