/** Messages on this machine's disk, in order, for while their topic is away. Each call is durable when it returns. */
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { SpooledMessage, SpoolFile } from '../../pipeline/spool.ts';
import { openWriter } from './connection.ts';

interface Row {
  readonly seq: number;
  readonly key: string;
  readonly value: Uint8Array;
}

const schema = `CREATE TABLE IF NOT EXISTS spool (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, value BLOB NOT NULL) STRICT`;

/** Pages of the write-ahead log before it is put back into the file: about 8 MiB. */
const checkpointPages = 1000;

class SqliteSpoolFile implements SpoolFile {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #delete: StatementSync;
  #count: number;
  #bytes: number;

  constructor(path: string) {
    this.#db = openWriter(path, 'FULL');
    this.#db.exec(`${schema}; PRAGMA wal_autocheckpoint = ${checkpointPages}`);
    this.#insert = this.#db.prepare('INSERT INTO spool (key, value) VALUES (?, ?)');
    this.#select = this.#db.prepare('SELECT seq, key, value FROM spool ORDER BY seq LIMIT ?');
    this.#delete = this.#db.prepare('DELETE FROM spool WHERE seq <= ?');
    const held = this.#db.prepare('SELECT count(*) AS n, coalesce(sum(length(value)), 0) AS bytes FROM spool').get();
    this.#count = Number(held?.['n']);
    this.#bytes = Number(held?.['bytes']);
  }

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#bytes;
  }

  write(messages: readonly { readonly key: string; readonly value: Uint8Array }[]): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const { key, value } of messages) this.#insert.run(key, value);
      this.#db.exec('COMMIT');
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
    this.#count += messages.length;
    for (const { value } of messages) this.#bytes += value.length;
  }

  oldest(max: number): readonly SpooledMessage[] {
    return this.#select.all(max) as unknown[] as Row[];
  }

  remove(messages: readonly SpooledMessage[]): void {
    const last = messages.at(-1);
    if (last === undefined) return;
    this.#delete.run(last.seq);
    this.#count -= messages.length;
    for (const { value } of messages) this.#bytes -= value.length;
  }

  close(): void {
    this.#db.close();
  }
}

/** Opens the directory's spool and what an earlier process left in it. The directory must be locked. */
export function openSpoolFile(dataDirectory: string): SpoolFile {
  return new SqliteSpoolFile(join(dataDirectory, 'spool.db'));
}
