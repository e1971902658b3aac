/** Child processes that end with this one, and ports to start them on. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './install.ts';

/** A stop that takes longer is cut off. */
const stopMsMax = 10_000;
const logTailBytes = 2000;
const pauseMs = 50;

export interface Running {
  readonly pid: number;
  readonly exited: boolean;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, later SIGKILL; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A temporary directory of this process. Those of processes that were killed, and their services with them, are removed. */
export function serviceDirectory(service: string): string {
  for (const name of readdirSync(tmpdir())) {
    const owner = /^holdfast-(?:kafka|redis)-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtempSync(join(tmpdir(), `holdfast-${service}-${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Starts a program with its output in `logFile`. It is killed when this process dies, however that happens (Linux). */
export function start(command: string, args: readonly string[], logFile: string): Running {
  const setpriv = findProgram('setpriv');
  const [program, words] =
    setpriv === undefined ? [command, args] : [setpriv, ['--pdeathsig', 'KILL', command, ...args]];
  const output = openSync(logFile, 'a');
  const child = spawn(program, words, { stdio: ['ignore', output, output], detached: true });
  closeSync(output);
  return runningOf(child);
}

function runningOf(child: ChildProcess): Running {
  // A program that cannot be started has exited, as far as anyone who waits for it is concerned.
  child.on('error', () => {});
  const isOver = (): boolean => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    get exited() {
      return isOver();
    },
    signal: (name) => void child.kill(name),
    async stop() {
      if (isOver()) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      // One that was stopped with SIGSTOP hears nothing else until then.
      child.kill('SIGCONT');
      const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      await exit;
      clearTimeout(timer);
    },
  };
}

/**
 * Asks until the service answers.
 * @throws Error with the end of its log when it exits or does not answer in time
 */
export async function untilAnswers(
  name: string,
  running: Running,
  logFile: string,
  msMax: number,
  ask: () => Promise<void>,
): Promise<void> {
  const untilMs = performance.now() + msMax;
  for (;;) {
    const reason = await ask().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (reason === undefined) return;
    if (running.exited || performance.now() > untilMs) {
      const log = readFileSync(logFile, 'utf8').slice(-logTailBytes);
      throw new Error(
        `${name} ${running.exited ? 'ended' : `does not answer (${reason})`}; its log ends with:\n${log}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
