import { DatabaseSync } from 'node:sqlite';
import type { BlockRange, SinkPositions } from '../../pipeline/sink.ts';

interface PositionRow {
  readonly nextSeq: number;
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
  readonly absentToSeq: number;
}

/**
 * The sink's position and its block under way, in a small SQLite file of its own (`synchronous = FULL`: on disk when a call
 * returns). One row, so that a commit and the end of the pending block are one write.
 */
export function openSinkPositions(path: string): SinkPositions & { close(): void } {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000');
  database.exec(
    `CREATE TABLE IF NOT EXISTS position (
       one INTEGER PRIMARY KEY CHECK (one = 1), nextSeq INTEGER NOT NULL, fromSeq INTEGER, toSeq INTEGER,
       absentToSeq INTEGER NOT NULL) STRICT`,
  );
  const load = database.prepare('SELECT nextSeq, fromSeq, toSeq, absentToSeq FROM position WHERE one = 1');
  const start = database.prepare('INSERT INTO position (one, nextSeq, absentToSeq) VALUES (1, 0, ?)');
  const begin = database.prepare('UPDATE position SET fromSeq = ?, toSeq = ? WHERE one = 1');
  const commit = database.prepare('UPDATE position SET nextSeq = ?, fromSeq = NULL, toSeq = NULL WHERE one = 1');
  return {
    load() {
      const row = load.get() as PositionRow | undefined;
      if (row === undefined) return undefined;
      const pending: BlockRange | undefined =
        row.fromSeq === null || row.toSeq === null ? undefined : { fromSeq: row.fromSeq, toSeq: row.toSeq };
      return { nextSeq: row.nextSeq, pending, absentToSeq: row.absentToSeq };
    },
    start(absentToSeq) {
      start.run(absentToSeq);
    },
    begin(range) {
      begin.run(range.fromSeq, range.toSeq);
    },
    commit(nextSeq) {
      commit.run(nextSeq);
    },
    close() {
      database.close();
    },
  };
}
