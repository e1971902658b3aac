/** One process a data directory: held by SQLite's own file lock, which the kernel frees when the process dies. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that is just stopping frees the directory within this time; one that goes on keeps it. */
const lockWaitMs = 5_000;
const lockRetryMs = 50;

/** Another process works on the directory. The message is one sentence for the user. */
export class DataDirectoryInUse extends Error {
  override readonly name = 'DataDirectoryInUse';
}

const isBusy = (error: unknown): boolean => error instanceof Error && 'errcode' in error && error.errcode === 5;

/** Who holds it, as far as is known: for the message only. */
function ownerOf(path: string): string {
  try {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isSafeInteger(pid) ? ` (process ${pid})` : '';
  } catch {
    return '';
  }
}

export interface DirectoryLock {
  release(): void;
}

/** @throws DataDirectoryInUse */
export function lockDirectory(dataDir: string): DirectoryLock {
  const ownerPath = join(dataDir, 'lock.pid');
  const db = new DatabaseSync(join(dataDir, 'lock.db'), { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (!isBusy(error)) throw error;
    throw new DataDirectoryInUse(
      `Another Holdfast${ownerOf(ownerPath)} is using the data directory ${dataDir}: stop it, or choose another directory with HOLDFAST_DATA_DIR.`,
    );
  }
  writeFileSync(ownerPath, `${process.pid}\n`);
  return {
    release() {
      db.exec('ROLLBACK');
      db.close();
    },
  };
}

/**
 * Waits a bounded time for a holder that is just stopping, as at a restart by a supervisor.
 * @throws DataDirectoryInUse
 */
export async function awaitDirectory(dataDir: string): Promise<DirectoryLock> {
  const giveUpAt = performance.now() + lockWaitMs;
  for (;;) {
    try {
      return lockDirectory(dataDir);
    } catch (error) {
      if (!(error instanceof DataDirectoryInUse) || performance.now() > giveUpAt) throw error;
      await sleep(lockRetryMs);
    }
  }
}
