/** `holdfast bench NAME`: the benchmarks live outside of the product, so they run as a program of their own. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { exitCodes } from '../config/exit.ts';

const program = resolve(import.meta.dirname, '../../bench/main.ts');

function run(args: readonly string[]): Promise<number> {
  return new Promise((settle, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => settle(code ?? exitCodes.failed));
  });
}

export function benchCommand(): Command {
  return new Command('bench').argument('<name>', 'a benchmark, or `list`').action(async (name: string) => {
    process.exitCode = await run([name]);
  });
}
