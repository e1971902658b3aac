/** What Holdfast needs of the machine, each as a check that says what is wrong and what to do. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DataDirectoryInUse, lockDirectory } from '../../adapters/sqlite/lock.ts';
import type { Environment } from '../../config/env.ts';
import { type ExitCode, exitCodes } from '../../config/exit.ts';
import { checkClickHouseServer, checkKafka, checkRedis } from './engines.ts';

export interface CheckResult {
  readonly ok: boolean;
  /** What was found. */
  readonly detail: string;
  /** What to do about it, for a check that is not ok. */
  readonly remedy?: string;
}

export interface Check {
  readonly name: string;
  /** How `doctor` ends when this one fails. */
  readonly exitCode: ExitCode;
  readonly run: (environment: Environment) => CheckResult | Promise<CheckResult>;
}

const nodeMajorMin = 24;
/** A day of the demonstration needs a few hundred megabytes; below this the journal may not survive the night. */
const freeBytesMin = 2 * 1024 ** 3;
const childTimeoutMs = 30_000;
const healthTimeoutMs = 2000;
const defaultRelease = resolve(import.meta.dirname, '../../../config/default');

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function checkNode(): CheckResult {
  const detail = `Node ${process.versions.node}`;
  if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) return { ok: true, detail };
  return {
    ok: false,
    detail,
    remedy: `Run it by \`npx holdfast\` or an npm script: they use the Node ${nodeMajorMin} that npm installed.`,
  };
}

function checkDataDirectory({ dataDir }: Environment): CheckResult {
  const probe = join(dataDir, `.doctor-${randomUUID()}`);
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(probe, 'x', { flush: true });
    rmSync(probe);
    return { ok: true, detail: `${resolve(dataDir)} can be written` };
  } catch (error) {
    return {
      ok: false,
      detail: `${resolve(dataDir)}: ${messageOf(error)}`,
      remedy: 'Give this user the right to write there, or choose another directory with HOLDFAST_DATA_DIR.',
    };
  }
}

function checkLock({ dataDir }: Environment): CheckResult {
  try {
    lockDirectory(dataDir).release();
    return { ok: true, detail: 'no other process uses the data directory' };
  } catch (error) {
    if (!(error instanceof DataDirectoryInUse))
      return { ok: false, detail: messageOf(error), remedy: 'See the data directory above.' };
    return { ok: false, detail: 'another Holdfast is using the data directory', remedy: error.message };
  }
}

function checkDisk({ dataDir }: Environment): CheckResult {
  const disk = statfsSync(dataDir);
  const freeBytes = disk.bavail * disk.bsize;
  const detail = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB free`;
  if (freeBytes >= freeBytesMin) return { ok: true, detail };
  return { ok: false, detail, remedy: 'Free at least 2 GiB, or put HOLDFAST_DATA_DIR on another disk.' };
}

/** @returns the error's code, or undefined when the port could be taken (and was given back). */
function listenError(host: string, port: number): Promise<string | undefined> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => settle(undefined)));
  });
}

async function holdfastAnswers(host: string, port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://${host}:${port}/healthz`, { signal: AbortSignal.timeout(healthTimeoutMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function checkPort({ host, port }: Environment): Promise<CheckResult> {
  const code = await listenError(host, port);
  if (code === undefined)
    return { ok: true, detail: port === 0 ? 'a free port will be taken' : `${host}:${port} is free` };
  if (code !== 'EADDRINUSE') {
    return {
      ok: false,
      detail: `${host}:${port}: ${code}`,
      remedy: 'Choose an address of this machine with HOLDFAST_HOST and a port with HOLDFAST_PORT.',
    };
  }
  const who = (await holdfastAnswers(host, port))
    ? 'a server that answers /healthz, probably Holdfast itself'
    : 'another program';
  return {
    ok: false,
    detail: `${host}:${port} is taken by ${who}`,
    remedy: 'Stop it, or choose another port with HOLDFAST_PORT.',
  };
}

async function checkRelease(): Promise<CheckResult> {
  try {
    const { readReleaseDirectory } = await import('../../releases/store.ts');
    const { compileRelease } = await import('../../releases/compile.ts');
    const release = await compileRelease(await readReleaseDirectory(defaultRelease));
    const model = release.model === null ? 'no model' : `model ${release.model.id}`;
    return {
      ok: true,
      detail: `${release.id.slice(0, 12)}: ${release.features.names.length} features, ${release.rules.rules.length} rules, ${model}`,
    };
  } catch (error) {
    return { ok: false, detail: messageOf(error), remedy: 'Restore config/default, or correct what is named.' };
  }
}

/** In a process of its own: the engine is a native library, and what it does to a process when it cannot load is not ours to guess. */
async function checkClickHouse(): Promise<CheckResult> {
  const program =
    "const { query } = await import('chdb'); process.stdout.write(String(query('SELECT version()', 'TabSeparated')))";
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: resolve(import.meta.dirname, '../../..'),
      timeout: childTimeoutMs,
    });
    return { ok: true, detail: `embedded ClickHouse ${stdout.trim()}` };
  } catch (error) {
    const said = messageOf(error).split('\n').slice(0, 3).join(' ');
    return {
      ok: false,
      detail: `the embedded ClickHouse does not load: ${said}`,
      remedy: 'Run `npm ci` again; chdb needs Linux (glibc) or macOS on x64 or arm64.',
    };
  }
}

export const checks: readonly Check[] = [
  { name: 'node', exitCode: exitCodes.unreachable, run: checkNode },
  { name: 'data directory', exitCode: exitCodes.usage, run: checkDataDirectory },
  { name: 'lock', exitCode: exitCodes.failed, run: checkLock },
  { name: 'disk', exitCode: exitCodes.failed, run: checkDisk },
  { name: 'port', exitCode: exitCodes.failed, run: checkPort },
  { name: 'release', exitCode: exitCodes.usage, run: checkRelease },
  { name: 'clickhouse', exitCode: exitCodes.unreachable, run: checkClickHouse },
  { name: 'kafka', exitCode: exitCodes.unreachable, run: checkKafka },
  { name: 'redis', exitCode: exitCodes.unreachable, run: checkRedis },
  { name: 'clickhouse server', exitCode: exitCodes.unreachable, run: checkClickHouseServer },
];
