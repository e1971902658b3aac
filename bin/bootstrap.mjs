/**
 * What `npm start`, `npm test` and `npm run check` share: install what is missing, find Node 24, run a child with the
 * signals and the exit code handed through. Plain JavaScript without dependencies: it runs on Node 20 before anything is installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const binDirectory = join(root, 'node_modules', '.bin');
const nodeMajorNeeded = 24;
/** npm and this file run on the machine's own Node until ours is there. */
const nodeMajorMin = 20;
const nodeMajor = Number(process.versions.node.split('.')[0]);
/** npm and a terminal may both pass on the same Ctrl-C; a repeat within this time is that one, not an impatient user. */
const signalRepeatMs = 1000;

/** The Node that runs the product: the one npm installed, or this one where it is new enough. */
export function nodePath() {
  const installed = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(installed)) return installed;
  return nodeMajor >= nodeMajorNeeded ? process.execPath : undefined;
}

/**
 * Node's flags of a command of the CLI. Where somebody waits (`up`, `serve`) young objects are collected in small steps of about 1 ms
 * instead of 5 to 7, for twice the (small) work. `stream` has batches in flight that outlive a collection: the larger the
 * space, the fewer are copied. MiB, of which there are three.
 */
export const nodeFlags = (command) =>
  JSON.parse(readFileSync(join(root, 'bin', 'nodeFlags.json'), 'utf8'))[command] ?? [];

/** The environment for children: our tools first on PATH. */
export function childEnvironment(extra = {}) {
  return { ...process.env, ...extra, PATH: `${binDirectory}${delimiter}${process.env.PATH ?? ''}` };
}

/**
 * What package-lock.json asks for and node_modules does not hold. npm writes node_modules/.package-lock.json last, so an
 * interrupted install counts as missing.
 */
export function missingPackages(directory) {
  const wanted = JSON.parse(readFileSync(join(directory, 'package-lock.json'), 'utf8')).packages;
  let installed;
  try {
    installed = JSON.parse(readFileSync(join(directory, 'node_modules', '.package-lock.json'), 'utf8')).packages;
  } catch {
    return ['node_modules'];
  }
  return Object.entries(wanted)
    .filter(([path, entry]) => path !== '' && !entry.optional && installed[path]?.version !== entry.version)
    .map(([path]) => path);
}

/** Installs what is missing by `npm ci`; ends the process with what npm said where that fails. */
export function ensureInstalled() {
  if (nodeMajor < nodeMajorMin) {
    process.stderr.write(`Holdfast needs Node >= ${nodeMajorMin} with npm; this is Node ${process.versions.node}.\n`);
    process.exit(2);
  }
  const missing = missingPackages(root);
  if (missing.length === 0 && nodePath() !== undefined) return;
  const startedAt = Date.now();
  process.stderr.write(
    'Installing the dependencies (1.1 GB with the embedded ClickHouse and Node 24, about a minute) …\n',
  );
  // npm runs on the machine's own Node: the one in node_modules is about to be replaced. Only errors are shown, because
  // three packages want Node 22 and npm would warn of the machine's Node 20, which never runs them.
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((part) => part !== binDirectory)
    .join(delimiter);
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--no-progress'], {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (result.status !== 0 || nodePath() === undefined) {
    if (result.stdout) process.stderr.write(result.stdout);
    process.stderr.write(
      `The install failed${result.error ? ` (${result.error.message})` : ''}. Holdfast needs Node >= 20 with npm, and the package registry within reach.\n`,
    );
    process.exit(1);
  }
  process.stderr.write(`Installed in ${Math.round((Date.now() - startedAt) / 1000)} s.\n`);
}

/**
 * Runs a program to its end. In a process group of its own, so that a Ctrl-C reaches it once, from here, and not a second time
 * from the terminal or from npm (a second signal means "stop at once"). The IPC channel tells it when this process is gone.
 * @returns the exit code a shell would give
 */
export function run(command, args, options = {}) {
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: childEnvironment(options.env),
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: process.platform !== 'win32',
  });
  let lastSignalAt = Number.NEGATIVE_INFINITY;
  const forward = (signal) => {
    if (Date.now() - lastSignalAt < signalRepeatMs) return;
    lastSignalAt = Date.now();
    child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
