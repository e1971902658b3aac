/** A whole `holdfast up` of a fresh data directory, as a user starts it: a process of its own, on a free port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
const startMsMax = 60_000;
const stopMsMax = 25_000;

export interface RunningUp {
  readonly pid: number;
  /** The console's link as printed, with the key in it. */
  readonly consoleLink: string;
  /** Stops it as Ctrl-C does and answers its exit code. */
  stop(): Promise<number | null>;
}

export async function startUp(options: { readonly demo: boolean }): Promise<RunningUp> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-up-'));
  const args = ['--disable-warning=ExperimentalWarning', main, 'up', ...(options.demo ? [] : ['--no-demo'])];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    HOLDFAST_DATA_DIR: dataDir,
    HOLDFAST_PORT: '0',
    HOLDFAST_LOG_LEVEL: 'error',
  };
  delete env['HOLDFAST_BOOTSTRAP_KEY'];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((done) => child.once('exit', done));
  const stop = async (): Promise<number | null> => {
    child.kill('SIGINT');
    const impatient = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
    const code = await exited;
    clearTimeout(impatient);
    rmSync(dataDir, { recursive: true, force: true });
    return code;
  };
  try {
    return { pid: child.pid ?? 0, consoleLink: await printedLink(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function printedLink(child: ChildProcess): Promise<string> {
  return new Promise((done, failed) => {
    let output = '';
    const timer = setTimeout(() => failed(new Error(`no console link within ${startMsMax} ms: ${output}`)), startMsMax);
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const link = /https?:\/\/\S+\/#key=\S+/.exec(output)?.[0];
      if (link === undefined) return;
      clearTimeout(timer);
      done(link);
    });
    child.once('exit', (code) => failed(new Error(`up ended with ${code} before it was ready: ${output}`)));
  });
}
