/** Keeps one analytics process running: starts it, watches it, replaces it when it dies, ever later while it keeps dying. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ChildOptions, type FromChild, serverVariable, type ToChild } from './childProtocol.ts';

const restartMsMin = 250;
const restartMsMax = 15_000;
/** A process that lived this long had no trouble starting: the back-off begins anew. */
const restartResetMs = 30_000;
/** A process that says nothing for so long hangs (it reports twice a second): it is killed and replaced. */
const silenceMsMax = 30_000;
/** Opening a large store and catching up its schema may take a while before the first word. */
const startMsMax = 120_000;
const closeMsMax = 15_000;
const heapMegabytes = 512;

const defaultEntry = fileURLToPath(new URL('../../../workers/analytics.ts', import.meta.url));
/** What the engine and Node need; secrets of the main process are not the child's business. */
const environmentNames = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH'];

export interface SupervisedHooks {
  onMessage(message: FromChild): void;
  /** The process ended and another one will be started; what was asked of it is lost. */
  onEnd(reason: string): void;
}

export interface SupervisedChild {
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Calls `lost` when the message cannot reach the process. */
  send(message: ToChild, lost: () => void): void;
  /** Ends the process for good: by word, then by force. */
  close(): Promise<void>;
}

function forkChild(options: ChildOptions, entry: string): ChildProcess {
  const env: NodeJS.ProcessEnv = {};
  for (const name of environmentNames) if (process.env[name] !== undefined) env[name] = process.env[name];
  const { server, ...shown } = options;
  // Arguments can be read by every user of the machine, an environment by its owner alone.
  if (server !== undefined) env[serverVariable] = JSON.stringify(server);
  return fork(entry, [JSON.stringify(shown)], {
    serialization: 'advanced',
    execArgv: ['--disable-warning=ExperimentalWarning', `--max-old-space-size=${heapMegabytes}`],
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

/** Starts the first process and answers at once. `entry` is the program it runs (the analytics worker, unless told). */
export function superviseChild(options: ChildOptions, hooks: SupervisedHooks, entry = defaultEntry): SupervisedChild {
  let child: ChildProcess | undefined;
  let closed = false;
  let restarts = 0;
  let restartMs = restartMsMin;
  let watchdog: NodeJS.Timeout | undefined;
  let restarting: NodeJS.Timeout | undefined;

  function watch(target: ChildProcess, ms: number): void {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => target.kill('SIGKILL'), ms);
    watchdog.unref();
  }

  function ended(startedAtMs: number, reason: string): void {
    clearTimeout(watchdog);
    child = undefined;
    hooks.onEnd(reason);
    if (closed) return;
    if (performance.now() - startedAtMs > restartResetMs) restartMs = restartMsMin;
    restarting = setTimeout(start, restartMs);
    restarting.unref();
    restartMs = Math.min(restartMs * 2, restartMsMax);
    restarts += 1;
  }

  function start(): void {
    const startedAtMs = performance.now();
    const started = forkChild(options, entry);
    child = started;
    let over = false;
    const endOnce = (reason: string): void => {
      if (over) return;
      over = true;
      ended(startedAtMs, reason);
    };
    started.on('message', (message: FromChild) => {
      if (over) return;
      watch(started, silenceMsMax);
      hooks.onMessage(message);
    });
    started.on('error', () => {
      if (started.pid === undefined) endOnce('the analytics process could not be started');
    });
    started.on('exit', (code, signal) => endOnce(`the analytics process ended (${signal ?? `exit code ${code}`})`));
    watch(started, startMsMax);
  }

  start();
  return {
    get pid() {
      return child?.pid;
    },
    get restarts() {
      return restarts;
    },
    send(message, lost) {
      if (child === undefined) lost();
      else child.send(message, (error) => (error === null ? undefined : lost()));
    },
    async close() {
      closed = true;
      clearTimeout(restarting);
      clearTimeout(watchdog);
      const target = child;
      if (target === undefined) return;
      const gone = new Promise<void>((resolve) => target.once('exit', () => resolve()));
      const impatient = setTimeout(() => target.kill('SIGKILL'), closeMsMax);
      target.send({ type: 'close' } satisfies ToChild, () => undefined);
      await gone;
      clearTimeout(impatient);
    },
  };
}
