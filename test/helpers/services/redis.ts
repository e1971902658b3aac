/** A private redis-server on a free port and a directory of its own; never the machine's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

export interface RedisServerOptions {
  /** The program; default `redis-server` of the PATH. */
  readonly program?: string;
  /** More arguments, as `['--maxmemory', '2mb']`. */
  readonly args?: readonly string[];
  readonly password?: string;
  /** Files in PEM; the port then speaks TLS alone. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  /** Without the password. */
  readonly url: string;
  readonly pid: number;
  /** SIGSTOP: it takes connections and bytes and answers nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Stops it (as a crash when `signal` is SIGKILL); what it held is gone unless it was told to keep it. */
  halt(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and directory; resolves when it answers. */
  start(): Promise<void>;
  /** Stops it and removes its directory. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const startTimeoutMs = 15_000;
const pollMs = 20;
/** Another process may take the port between finding and using it. */
const startsMax = 5;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

/** Resolves with whether something on the port answers PING as Redis does; that it wants a password is an answer too. */
function answersPing(port: number, tls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port });
    const settle = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.once('data', (data) => settle(/^(\+PONG|-NOAUTH)/.test(data.toString())));
    socket.write('PING\r\n');
  });
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

async function exited(child: ChildProcess): Promise<void> {
  if (isRunning(child)) await once(child, 'exit');
}

function argumentsOf(options: RedisServerOptions, port: number, dir: string): string[] {
  const { tls, password, args = [] } = options;
  const ports =
    tls === undefined
      ? ['--port', String(port)]
      : ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no'].concat([
          '--tls-ca-cert-file',
          tls.ca,
          '--tls-cert-file',
          tls.cert,
          '--tls-key-file',
          tls.key,
        ]);
  const auth = password === undefined ? [] : ['--requirepass', password];
  return [...ports, '--bind', host, '--dir', dir, '--save', '', '--appendonly', 'no', ...auth, ...args];
}

/** Starts the server; resolves when it answers PING. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-redis-'));
  let port = 0;
  let child: ChildProcess | undefined;

  async function launch(): Promise<boolean> {
    const launched = spawn(options.program ?? 'redis-server', argumentsOf(options, port, dir), { stdio: 'ignore' });
    const failed = new Promise<boolean>((resolve) => launched.once('error', () => resolve(true)));
    child = launched;
    const until = performance.now() + startTimeoutMs;
    while (isRunning(launched) && performance.now() < until) {
      if (await answersPing(port, options.tls !== undefined)) return isRunning(launched);
      const pause = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), pollMs));
      if (await Promise.race([failed, pause])) throw new Error('redis-server cannot be run');
    }
    launched.kill('SIGKILL');
    return false;
  }

  async function halt(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (child === undefined) return;
    child.kill('SIGCONT');
    child.kill(signal);
    await exited(child);
    child = undefined;
  }

  for (let attempt = 0; ; attempt++) {
    port = await freePort();
    if (await launch()) break;
    if (attempt === startsMax) throw new Error('redis-server did not answer PING');
  }
  return {
    host,
    port,
    url: `${options.tls === undefined ? 'redis' : 'rediss'}://${host}:${port}`,
    get pid() {
      return child?.pid ?? 0;
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    halt,
    async start() {
      if (!(await launch())) throw new Error('redis-server did not answer PING again');
    },
    async stop() {
      await halt('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}
