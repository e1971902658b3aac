/** `npm start`'s own program as a process, on a directory and a port of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { repository } from './cli.ts';

export const serverKey = 'integration-test-key';
const readyTimeoutMs = 60_000;
const pollMs = 25;

/** A port that was free a moment ago; the start prints its address only to people, so the test picks the port. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Repeats the probe until it finds something; `impossible` says why it never will. */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  impossible: () => string | undefined = () => undefined,
): Promise<T> {
  const giveUpAt = performance.now() + readyTimeoutMs;
  while (performance.now() < giveUpAt) {
    const found = await probe().catch(() => undefined);
    if (found !== undefined) return found;
    const reason = impossible();
    if (reason !== undefined) throw new Error(reason);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw new Error(`waited ${readyTimeoutMs / 1000} s in vain: ${what}`);
}

export interface RunningServer {
  readonly url: string;
  readonly process: ChildProcess;
  /** Everything it has said so far, on both streams. */
  said(): string;
  /** Resolves with the exit code; a signal that ended it counts as -1. */
  readonly exited: Promise<number>;
  call(
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly body: unknown }>;
}

/** Starts `bin/start.mjs` and waits until it is ready to decide. */
export async function startServer(dataDir: string, args: readonly string[] = ['--no-demo']): Promise<RunningServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, ['bin/start.mjs', ...args], {
    cwd: repository,
    env: {
      ...process.env,
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_PORT: String(port),
      HOLDFAST_BOOTSTRAP_KEY: serverKey,
      HOLDFAST_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : -1));
  await waitFor(
    `${url} is ready`,
    async () => ((await fetch(`${url}/readyz`)).ok ? true : undefined),
    () => (child.exitCode === null ? undefined : `it ended with code ${child.exitCode}: ${said}`),
  );
  return {
    url,
    process: child,
    said: () => said,
    exited,
    async call(path, body) {
      const headers = {
        'holdfast-deadline-ms': '5000',
        authorization: `Bearer ${serverKey}`,
        'content-type': 'application/json',
      };
      const request = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
      const response = await fetch(`${url}${path}`, request);
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
  };
}
