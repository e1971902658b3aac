/**
 * The two databases of a data directory.
 *
 * `journal.db` is the truth: decisions and labels in one total order, the topics' messages, consumers' positions.
 * Written only at its right edge, `synchronous=FULL`: a commit is a short sequential write and one fsync.
 *
 * `state.db` is derived from it: the index of payment ids and the velocity state, both scattered writes. It is written
 * in large sorted transactions by a thread of low priority, so that no payment waits for it; what it lacks after a
 * crash is read again from the journal. Deleting it costs a longer start, nothing else.
 */
import type { DatabaseSync } from 'node:sqlite';

/** Forward only; a database of version n has the first n steps. */
export const journalMigrations: readonly string[] = [
  `CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   -- kind: 1 decision, 2 label. stamp: the order in which velocity saw it (see stamps.ts).
   CREATE TABLE journal(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, stamp INTEGER NOT NULL, record BLOB NOT NULL);
   CREATE TABLE labels(
     tenant TEXT NOT NULL, payment_id TEXT NOT NULL, labelled_at INTEGER NOT NULL, label TEXT NOT NULL, source TEXT NOT NULL,
     seq INTEGER NOT NULL, PRIMARY KEY(tenant, payment_id, labelled_at, label, source)) WITHOUT ROWID;
   CREATE INDEX labels_seq ON labels(seq);
   -- One row is a chunk of messages (logChunk.ts); first: the offset of its first message.
   CREATE TABLE log_payments(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, bytes BLOB NOT NULL);
   CREATE TABLE log_labels(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, bytes BLOB NOT NULL);
   CREATE TABLE log_deadletter(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, bytes BLOB NOT NULL);
   CREATE TABLE positions(
     consumer TEXT NOT NULL, topic TEXT NOT NULL, part INTEGER NOT NULL, next INTEGER NOT NULL,
     PRIMARY KEY(consumer, topic, part)) WITHOUT ROWID;
   INSERT INTO meta VALUES('idHashKey', lower(hex(randomblob(8))));`,
];

export const stateMigrations: readonly string[] = [
  `CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   -- hash: 52 bits of (tenant, payment id); two payments may share one, so the journal row decides.
   CREATE TABLE ids(hash INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(hash, seq)) WITHOUT ROWID;
   CREATE TABLE velocity(key BLOB PRIMARY KEY, stamp INTEGER NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;`,
];

/** The data directory was written by a newer Holdfast. */
export class SchemaTooNew extends Error {
  override readonly name = 'SchemaTooNew';
}

/** Brings the database to the newest version, each step in its own transaction. @throws SchemaTooNew */
export function migrate(db: DatabaseSync, steps: readonly string[]): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > steps.length) {
    throw new SchemaTooNew(
      `the data directory has schema version ${version}, this Holdfast knows ${steps.length}: start the newer Holdfast`,
    );
  }
  for (let done = version; done < steps.length; done++) {
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(steps[done] as string);
      db.exec(`PRAGMA user_version = ${done + 1}`);
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }
}
