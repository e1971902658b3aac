/** Which payment ids are decided, as the main thread knows it: filter, newest ids in memory, the rest in state.db. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { DecisionRecord } from '../../pipeline/ports.ts';
import { openReader, statePath } from './connection.ts';
import { HotIds } from './hotIds.ts';
import { filterBytesFor, filterBytesMax, IdFilter } from './idFilter.ts';
import type { IdHash } from './idHash.ts';
import type { JournalReader } from './reader.ts';

export class IdIndex {
  readonly hash: IdHash;
  readonly hot = new HotIds();
  readonly #journal: JournalReader;
  readonly #state: DatabaseSync;
  readonly #indexed: StatementSync;
  #filter: IdFilter;
  /** False until the thread that reads the index has put every id into the filter. */
  #complete: boolean;
  /** A filter that is being filled, to take the place of the other. */
  #next: IdFilter | undefined;
  /** Ids put in so far, about. */
  #ids: number;
  readonly #filterBytesLeast: number;

  /** @param ids how many ids the directory has, about. */
  constructor(dataDir: string, journal: JournalReader, hash: IdHash, ids: number, filterBytesLeast: number) {
    this.#filterBytesLeast = filterBytesLeast;
    this.#journal = journal;
    this.hash = hash;
    this.#state = openReader(statePath(dataDir));
    this.#indexed = this.#state.prepare('SELECT seq FROM ids WHERE hash = ?');
    this.#ids = ids;
    this.#filter = new IdFilter(new SharedArrayBuffer(filterBytesFor(ids * 2, filterBytesLeast)));
    this.#complete = ids === 0;
  }

  /** The memory to be filled from the index, or undefined when nothing is to be done. */
  filterToFill(): SharedArrayBuffer | undefined {
    return this.#complete ? undefined : this.#filter.memory;
  }

  /** The thread has filled the memory it was given. */
  filled(): void {
    if (this.#next !== undefined) this.#filter = this.#next;
    this.#next = undefined;
    this.#complete = true;
  }

  /** A larger filter to be filled, once the present one is full. `unanswered`: ids that are sent and not in `hot`. */
  grow(unanswered: Iterable<number>): SharedArrayBuffer | undefined {
    if (!this.#complete || this.#next !== undefined || this.#ids < this.#filter.capacity) return undefined;
    if (this.#filter.memory.byteLength >= filterBytesMax) return undefined;
    this.#next = new IdFilter(new SharedArrayBuffer(filterBytesFor(this.#ids * 4, this.#filterBytesLeast)));
    for (const hash of unanswered) this.#next.add(hash);
    for (const hash of this.hot.hashes()) this.#next.add(hash);
    return this.#next.memory;
  }

  /** Notes an id that is about to be recorded. @returns false only if it was certainly never noted before. */
  note(hash: number): boolean {
    const seen = this.maybe(hash);
    this.#filter.add(hash);
    this.#next?.add(hash);
    this.#ids++;
    return seen;
  }

  /** Takes in a decision that state.db does not index, at start. */
  recovered(hash: number, seq: number): void {
    this.hot.add(hash, seq);
    this.#filter.add(hash);
  }

  maybe(hash: number): boolean {
    return !this.#complete || this.#filter.mayContain(hash);
  }

  find(tenantId: string, paymentId: string): DecisionRecord | undefined {
    const hash = this.hash(tenantId, paymentId);
    if (!this.maybe(hash)) return undefined;
    for (const seq of this.hot.find(hash)) {
      const record = this.#recordOf(seq, tenantId, paymentId);
      if (record !== undefined) return record;
    }
    for (const row of this.#indexed.all(hash)) {
      const record = this.#recordOf(row.seq as number, tenantId, paymentId);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  close(): void {
    this.#state.close();
  }

  #recordOf(seq: number, tenantId: string, paymentId: string): DecisionRecord | undefined {
    const record = this.#journal.recordAt(seq);
    return record?.paymentId === paymentId && record.tenantId === tenantId ? record : undefined;
  }
}
