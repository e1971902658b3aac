/**
 * `npm run services`: installs what is missing, starts a real Kafka and Redis on free ports in temporary directories, prints the
 * environment that makes Holdfast use them, and stops them at Ctrl-C or SIGTERM.
 *
 *   npm run services                     both; `-- kafka` or `-- redis` one of them
 *   npm run services -- --json           the environment as one JSON line
 *   npm run services -- run CMD ARG…     runs a command with that environment and ends with it, and with its exit code
 *   npm run services -- install          installs only
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { exitCodes } from '../src/config/exit.ts';
import type { ServiceName } from './services/install.ts';
import { install, ServiceUnavailable, serviceNames } from './services/install.ts';
import { keepServices } from './services/keep.ts';
import type { KeptServices } from './services/keep.ts';

interface Request {
  readonly services: readonly ServiceName[];
  readonly json: boolean;
  readonly installOnly: boolean;
  readonly command: readonly string[] | undefined;
}

const usage = 'usage: npm run services -- [kafka] [redis] [--json] [install | run COMMAND ARGUMENT…]\n';
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const isService = (word: string): word is ServiceName => (serviceNames as readonly string[]).includes(word);

function parse(words: readonly string[]): Request | undefined {
  const services: ServiceName[] = [];
  let json = false;
  let installOnly = false;
  for (const [i, word] of words.entries()) {
    if (word === 'run') {
      const command = words.slice(i + 1);
      return command.length === 0 ? undefined : { services: some(services), json, installOnly, command };
    }
    if (word === '--json') json = true;
    else if (word === 'install') installOnly = true;
    else if (isService(word)) services.push(word);
    else return undefined;
  }
  return { services: some(services), json, installOnly, command: undefined };
}

const some = (services: readonly ServiceName[]): readonly ServiceName[] =>
  services.length === 0 ? serviceNames : services;

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

async function runCommand(command: readonly string[], { environment }: KeptServices): Promise<number> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...environment } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 127;
  }
}

async function main(request: Request): Promise<number> {
  await install(request.services, say);
  if (request.installOnly) return exitCodes.done;
  say(`starting ${request.services.join(' and ')}`);
  const stopped = untilSignal();
  const services = await keepServices(request.services);
  try {
    if (request.command !== undefined) return await runCommand(request.command, services);
    const { environment } = services;
    const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${value}\n`);
    process.stdout.write(request.json ? `${JSON.stringify(environment)}\n` : lines.join(''));
    say('they run until Ctrl-C');
    await stopped;
    return exitCodes.done;
  } finally {
    await services.stop();
  }
}

const request = parse(process.argv.slice(2));
if (request === undefined) {
  process.stderr.write(usage);
  process.exitCode = exitCodes.usage;
} else {
  try {
    process.exitCode = await main(request);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = error instanceof ServiceUnavailable ? exitCodes.unreachable : exitCodes.failed;
  }
}
