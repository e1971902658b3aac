/** What the thread of state.db does: large sorted transactions of ids and entities, and filling filters. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { IdFilter } from './idFilter.ts';
import type { Flush } from './stateProtocol.ts';
import { unpackEntities } from './stateProtocol.ts';
import { keyHash } from './storedKeys.ts';

/** Rows read at once while a filter is filled. */
const fillRows = 10_000;

export class StateWriter {
  readonly #db: DatabaseSync;
  readonly #insertId: StatementSync;
  readonly #insertEntity: StatementSync;
  readonly #setMeta: StatementSync;
  readonly #idsAfter: StatementSync;
  readonly #keysAfter: StatementSync;
  readonly #checkpoint: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#insertId = db.prepare('INSERT OR IGNORE INTO ids(hash, seq) VALUES(?, ?)');
    this.#insertEntity = db.prepare(
      `INSERT INTO velocity(key, stamp, bytes) VALUES(?, ?, ?)
       ON CONFLICT(key) DO UPDATE SET stamp = excluded.stamp, bytes = excluded.bytes`,
    );
    this.#setMeta = db.prepare('INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)');
    this.#idsAfter = db.prepare('SELECT hash FROM ids WHERE hash > ? ORDER BY hash LIMIT ?');
    this.#keysAfter = db.prepare('SELECT key FROM velocity WHERE key > ? ORDER BY key LIMIT ?');
    this.#checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** Stores all of it or nothing. */
  flush({ ids, entities, meta }: Flush): void {
    this.#transaction(() => {
      for (const at of sortedPairs(ids)) this.#insertId.run(ids[at] as number, ids[at + 1] as number);
      // Later copies of an entity stay after earlier ones: the sort is stable.
      const sorted = unpackEntities(entities).sort((a, b) => Buffer.compare(a.key, b.key));
      for (const { key, stamp, bytes } of sorted) this.#insertEntity.run(key, stamp, bytes);
      for (const [name, value] of meta) this.#setMeta.run(name, value);
    });
  }

  dropVelocity(fingerprint: string): void {
    this.#transaction(() => {
      this.#db.exec('DELETE FROM velocity');
      this.#setMeta.run('stamp', '0');
      this.#setMeta.run('replayFromSeq', '1');
      this.#setMeta.run('fingerprint', fingerprint);
    });
  }

  /** Puts one slice of the index into the filter. @returns where the next slice starts, undefined when it was the last. */
  fill(memory: SharedArrayBuffer, after: number): number | undefined {
    const filter = new IdFilter(memory);
    const rows = this.#idsAfter.all(after, fillRows);
    for (const { hash } of rows) filter.add(hash as number);
    return rows.length < fillRows ? undefined : (rows.at(-1)?.hash as number);
  }

  /** The same for the keys of entities. */
  fillKeys(memory: SharedArrayBuffer, after: Uint8Array): Uint8Array | undefined {
    const filter = new IdFilter(memory);
    const rows = this.#keysAfter.all(after, fillRows);
    for (const { key } of rows) filter.add(keyHash(key as Uint8Array));
    return rows.length < fillRows ? undefined : (rows.at(-1)?.key as Uint8Array);
  }

  checkpoint(): void {
    this.#checkpoint.get();
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }
}

/** Positions of the pairs in the order of their first number. */
function sortedPairs(pairs: Float64Array): number[] {
  const order = Array.from({ length: pairs.length / 2 }, (_, i) => i * 2);
  return order.sort((a, b) => (pairs[a] as number) - (pairs[b] as number));
}
