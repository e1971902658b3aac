import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Longest wait for another connection's lock. Only checkpoints and recovery after a crash ever take one. */
const busyTimeoutMs = 10_000;
/** Three records of usual size fit a page; with SQLite's 4 KiB it would be one. */
const pageBytes = 8192;
const writerCacheKib = 16 * 1024;
const readerCacheKib = 8 * 1024;

export const journalPath = (dataDir: string): string => join(dataDir, 'journal.db');
export const statePath = (dataDir: string): string => join(dataDir, 'state.db');

/**
 * @param synchronous `FULL`: a commit is on disk when it returns. `NORMAL`: a power cut may undo the last commits, never
 * tear one.
 */
export function openWriter(path: string, synchronous: 'FULL' | 'NORMAL'): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: busyTimeoutMs });
  // Checkpoints are the owner's business: between two commits, not inside of one.
  db.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};
    PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${writerCacheKib}; PRAGMA temp_store = MEMORY`);
  return db;
}

/** A connection that reads what others write. Not SQLITE_OPEN_READONLY: that cannot make a missing -shm file. */
export function openReader(path: string): DatabaseSync {
  if (!existsSync(path)) throw new Error('the data directory has no journal yet');
  const db = new DatabaseSync(path, { timeout: busyTimeoutMs });
  db.exec(`PRAGMA query_only = 1; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${readerCacheKib}`);
  return db;
}
