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
  readonly options: FrontOptions;
  readonly pid: number;
  /** Replaces the faults that are set; without arguments, heals the server. */
  faults(...faults: readonly Fault[]): Promise<void>;
  /** The requests since the last call, pings apart. */
  seen(): Promise<readonly SeenRequest[]>;
  close(): Promise<void>;
}

const entry = fileURLToPath(new URL('clickhouseFrontMain.ts', import.meta.url));

/** Starts the server on a free port and an empty directory; `close` removes both. */
export async function startClickHouseFront(): Promise<ClickHouseFront> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-front-'));
  const options: FrontOptions = { user: 'holdfast', password: 'p:ss/w@rd é' };
  const child: ChildProcess = fork(entry, [JSON.stringify({ ...options, directory })], {
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
  const port = await listening.promise;
  let nextId = 1;
  function ask(
    message: { type: 'seen' } | { type: 'faults'; faults: readonly Fault[] },
  ): Promise<readonly SeenRequest[]> {
    const id = nextId++;
    const reply = new Promise<readonly SeenRequest[]>((resolve) => waiting.set(id, resolve));
    child.send({ ...message, id } satisfies ToFront);
    return reply;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    options,
    pid: child.pid ?? 0,
    async faults(...faults) {
      await ask({ type: 'faults', faults });
    },
    seen: () => ask({ type: 'seen' }),
    async close() {
      const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      if (child.connected) child.send({ type: 'close' } satisfies ToFront);
      await gone;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
