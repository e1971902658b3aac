import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { BlockRange, SinkPositions } from '../../pipeline/sink.ts';

/**
 * Rows that were acknowledged so long ago are on disk without an fsync: the kernel writes back what is older than half a
 * minute, and merged parts keep their sources for minutes (tableSettings.ts).
 */
const settleMs = 10 * 60_000;

interface PositionRow {
  readonly nextSeq: number;
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
  readonly absentToSeq: number;
  readonly settledSeq: number | null;
  readonly boot: string | null;
}

export interface SinkPositionOptions {
  /** Names the time since the machine was last started; empty where that cannot be known. */
  readonly bootId?: string;
  /** A clock that only goes forward, milliseconds. */
  readonly nowMs?: () => number;
}

/** Another value than last time: what was not on disk then is gone. */
function bootIdOfMachine(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000');
  database.exec(
    `CREATE TABLE IF NOT EXISTS position (
       one INTEGER PRIMARY KEY CHECK (one = 1), nextSeq INTEGER NOT NULL, fromSeq INTEGER, toSeq INTEGER,
       absentToSeq INTEGER NOT NULL) STRICT`,
  );
  const columns = database.prepare('PRAGMA table_info(position)').all();
  if (!columns.some((column) => column['name'] === 'settledSeq')) {
    database.exec('ALTER TABLE position ADD COLUMN settledSeq INTEGER; ALTER TABLE position ADD COLUMN boot TEXT');
  }
  return database;
}

/**
 * The sink's position and its block under way, in a small SQLite file of its own. One row, so that a commit and the end of
 * the pending block are one write.
 *
 * Nothing here is fsynced, for the sake of the journal on the same disk. A killed process loses nothing by that. A power
 * loss can take the newest rows of the store and the newest positions; it shows as another boot id, and then the position
 * is the newest one that is surely on disk, with `powerLost` set: all after it may be there or not.
 */
export function openSinkPositions(path: string, options: SinkPositionOptions = {}): SinkPositions & { close(): void } {
  const bootId = options.bootId ?? bootIdOfMachine();
  const nowMs = options.nowMs ?? ((): number => performance.now());
  const database = open(path);
  const load = database.prepare('SELECT * FROM position WHERE one = 1');
  const start = database.prepare(
    `INSERT INTO position (one, nextSeq, absentToSeq, settledSeq, boot) VALUES (1, :fromSeq, :absentToSeq, :fromSeq, :bootId)
     ON CONFLICT (one) DO UPDATE SET nextSeq = :fromSeq, fromSeq = NULL, toSeq = NULL, absentToSeq = :absentToSeq,
       settledSeq = :fromSeq, boot = :bootId`,
  );
  const begin = database.prepare('UPDATE position SET fromSeq = ?, toSeq = ? WHERE one = 1');
  const commit = database.prepare(
    'UPDATE position SET nextSeq = ?, fromSeq = NULL, toSeq = NULL, settledSeq = ? WHERE one = 1',
  );
  const adopt = database.prepare('UPDATE position SET settledSeq = nextSeq, boot = ? WHERE one = 1');
  /** `candidate` is settled `settleMs` after `candidateAtMs`. */
  let settled = 0;
  let candidate: number | undefined;
  let candidateAtMs = 0;

  return {
    load() {
      const row = load.get() as PositionRow | undefined;
      if (row === undefined) return undefined;
      const pending: BlockRange | undefined =
        row.fromSeq === null || row.toSeq === null ? undefined : { fromSeq: row.fromSeq, toSeq: row.toSeq };
      // Written by a version that fsynced each row and each position.
      if (row.settledSeq === null) adopt.run(bootId);
      settled = row.settledSeq ?? row.nextSeq;
      if (row.settledSeq === null || (row.boot === bootId && bootId !== '')) {
        return { nextSeq: row.nextSeq, pending, absentToSeq: row.absentToSeq, powerLost: false };
      }
      return { nextSeq: settled, pending: undefined, absentToSeq: row.absentToSeq, powerLost: true };
    },
    start(fromSeq, absentToSeq) {
      settled = fromSeq;
      candidate = undefined;
      start.run({ fromSeq, absentToSeq, bootId });
    },
    begin(range) {
      begin.run(range.fromSeq, range.toSeq);
    },
    commit(nextSeq) {
      if (candidate === undefined || nowMs() - candidateAtMs >= settleMs) {
        settled = candidate ?? settled;
        candidate = nextSeq;
        candidateAtMs = nowMs();
      }
      commit.run(nextSeq, settled);
    },
    close() {
      database.close();
    },
  };
}
