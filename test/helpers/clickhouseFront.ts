/**
 * A ClickHouse HTTP server for tests: the interface that @clickhouse/client uses, over the embedded engine in a process of
 * its own (clickhouseFrontMain.ts), with switches for what goes wrong between a client and a server.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type FaultKind =
  /** Answers after `ms`. */
  | 'delay'
  /** Answers `status`; nothing was done. */
  | 'status'
  /** Answers `status` like a broken proxy; the statement was run. */
  | 'statusAfter'
  /** The connection is reset; nothing was done. */
  | 'resetBefore'
  /** The statement is run, and the connection is reset instead of an answer. */
  | 'resetAfter'
  /** No answer ever; nothing was done. */
  | 'hang'
  /** No answer ever; the statement was run. */
  | 'hangAfter'
  /** Half of a chunked answer, then the connection is cut. The statement was run. */
  | 'brokenBody';

export interface Fault {
  readonly kind: FaultKind;
  /** Statements whose text holds this; every one without it. */
  readonly match?: string;
  /** How many statements it befalls. */
  readonly times: number;
  readonly ms?: number;
  readonly status?: number;
}

export interface SeenRequest {
  /** The statement's first 200 characters. */
  readonly statement: string;
  /** Path and query string as they came. */
  readonly url: string;
  readonly token: string | undefined;
  readonly bodySha256: string;
  readonly fault: FaultKind | undefined;
}

export interface FrontOptions {
  readonly user: string;
  readonly password: string;
  /** PEM. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
}

/** Handed to the process as its one argument, as JSON. */
export interface FrontSettings extends FrontOptions {
  readonly directory: string;
  /** 0: a free one. */
  readonly port: number;
}

export type ToFront =
  | { readonly type: 'faults'; readonly id: number; readonly faults: readonly Fault[] }
  | { readonly type: 'seen'; readonly id: number }
  | { readonly type: 'close' };
export type FromFront =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'reply'; readonly id: number; readonly seen: readonly SeenRequest[] };

export interface ClickHouseFront {
  readonly url: string;
  readonly login: { readonly user: string; readonly password: string };
  /** Replaces the faults that are set; without arguments, heals the server. */
  faults(...faults: readonly Fault[]): Promise<void>;
  /** The requests since the last call, pings apart. */
  seen(): Promise<readonly SeenRequest[]>;
  /** As kill -9. */
  kill(): Promise<void>;
  /** On the same port and directory. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const entry = fileURLToPath(new URL('clickhouseFrontMain.ts', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  ask(message: { type: 'seen' } | { type: 'faults'; faults: readonly Fault[] }): Promise<readonly SeenRequest[]>;
}

async function launch(settings: FrontSettings): Promise<Running> {
  const child = fork(entry, [JSON.stringify(settings)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    serialization: 'advanced',
  });
  const waiting = new Map<number, (seen: readonly SeenRequest[]) => void>();
  const listening = Promise.withResolvers<number>();
  child.on('message', (message: FromFront) => {
    if (message.type === 'listening') {
      listening.resolve(message.port);
      return;
    }
    waiting.get(message.id)?.(message.seen);
    waiting.delete(message.id);
  });
  child.once('exit', () => listening.reject(new Error('the ClickHouse front ended before it listened')));
  let nextId = 1;
  return {
    child,
    port: await listening.promise,
    ask(message) {
      const id = nextId++;
      const reply = new Promise<readonly SeenRequest[]>((resolve) => waiting.set(id, resolve));
      child.send({ ...message, id } satisfies ToFront);
      return reply;
    },
  };
}

/** Resolves when the process is gone. */
async function end(child: ChildProcess, how: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  how();
  await gone;
}

/** Starts the server on a free port and an empty directory; `close` removes both. With `tls`, over https. */
export async function startClickHouseFront(tls?: FrontOptions['tls']): Promise<ClickHouseFront> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-front-'));
  const options: FrontOptions = { user: 'holdfast', password: 'p:ss/w@rd é', tls };
  let running = await launch({ ...options, directory, port: 0 });
  const { port } = running;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    login: { user: options.user, password: options.password },
    async faults(...faults) {
      await running.ask({ type: 'faults', faults });
    },
    seen: () => running.ask({ type: 'seen' }),
    async kill() {
      const { child } = running;
      await end(child, () => child.kill('SIGKILL'));
    },
    async restart() {
      running = await launch({ ...options, directory, port });
    },
    async close() {
      const { child } = running;
      await end(child, () => child.send({ type: 'close' } satisfies ToFront));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
