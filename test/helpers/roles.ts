/** The roles as processes, each with a data directory and a port of its own, over engines given by the environment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from './cli.ts';
import { waitFor } from './server.ts';

export type RoleName = 'serve' | 'stream' | 'sink';
export const roleKey = 'roles-test-key';

export interface RoleProcess {
  readonly role: RoleName;
  readonly url: string;
  readonly process: ChildProcess;
  readonly dataDirectory: string;
  /** Standard output and error so far. */
  said(): string;
  /** Resolves with the exit code, −1 for a signal. */
  readonly exited: Promise<number>;
}

const started = new Set<ChildProcess>();

/** Starts a role and waits until it answers. @param dataDirectory of an earlier process, to go on with */
export async function startRole(
  role: RoleName,
  environment: Readonly<Record<string, string>>,
  dataDirectory = mkdtempSync(join(tmpdir(), `holdfast-${role}-`)),
  options: readonly string[] = [],
): Promise<RoleProcess> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_')));
  const child = spawn(process.execPath, ['src/cli/main.ts', role, ...options], {
    cwd: repository,
    // By the channel a role notices when the tests' process is gone, however it ended.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...inherited,
      HOLDFAST_DATA_DIR: dataDirectory,
      HOLDFAST_PORT: '0',
      HOLDFAST_LOG_LEVEL: 'warn',
      HOLDFAST_BOOTSTRAP_KEY: roleKey,
      ...environment,
    },
  });
  started.add(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => {
      said += text.toString();
    });
  }
  const exited = once(child, 'exit').then(([code]) => {
    started.delete(child);
    return (code as number | null) ?? -1;
  });
  let over: number | undefined;
  void exited.then((code) => {
    over = code;
  });
  const url = await waitFor(
    `${role} to start`,
    // What it logs before, in JSON, may hold addresses and words as well.
    () => Promise.resolve(/^\w+ing,? (http:\/\/127\.0\.0\.1:\d+)/m.exec(said)?.[1]),
    () => (over === undefined ? undefined : `${role} ended with ${over}: ${said}`),
  );
  return { role, url, process: child, dataDirectory, said: () => said, exited };
}

/** Ends what still runs and removes the directories. */
export async function endRoles(roles: readonly RoleProcess[]): Promise<void> {
  for (const { process: child, exited } of roles) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  }
  for (const { dataDirectory } of roles) rmSync(dataDirectory, { recursive: true, force: true });
}
