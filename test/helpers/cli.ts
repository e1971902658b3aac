/** Runs a program of the repository to its end, as a shell would. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

export const repository = resolve(import.meta.dirname, '../..');

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const outputMax = 64 * 1024 * 1024;

/** `environment` comes on top of this process's, less every setting of Holdfast that is there. */
export function runProgram(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_')));
  return new Promise((settle) => {
    execFile(
      process.execPath,
      [...args],
      { cwd: repository, env: { ...inherited, ...environment }, maxBuffer: outputMax },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        settle({ code, stdout, stderr });
      },
    );
  });
}

export const holdfast = (args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Finished> =>
  runProgram(['src/cli/main.ts', ...args], environment);
