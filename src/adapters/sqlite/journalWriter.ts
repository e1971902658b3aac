/** What the journal's thread does with messages: applies them to the open transaction and notes what became of each row. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { sameRecordId } from '../../pipeline/codec.ts';
import type { Commit, Topic } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import type { HotIds } from './hotIds.ts';
import type { AppendTail, CommitTail, IndexedTail, LabelsTail, RecordTail } from './protocol.ts';
import { chunkHeadBytes, codeExpired, codeKnown, headBytes, messageType, rowHeadBytes } from './protocol.ts';

export const kindDecision = 1;
const kindLabel = 2;

/** Topics that are stored as messages; the decisions topic is the journal itself. */
export const logTables = {
  [topics.payments]: 'log_payments',
  [topics.labels]: 'log_labels',
  [topics.deadletter]: 'log_deadletter',
} as const;
type StoredTopic = keyof typeof logTables;

const isStored = (topic: Topic): topic is StoredTopic => topic in logTables;

export class JournalWriter {
  readonly #db: DatabaseSync;
  readonly #hot: HotIds;
  /** Every seq that state.db has for a hash. */
  readonly #indexed: (hash: number) => readonly number[];
  readonly #insert: StatementSync;
  readonly #recordOf: StatementSync;
  readonly #insertLabel: StatementSync;
  readonly #position: StatementSync;
  readonly #appends = new Map<Topic, StatementSync>();
  readonly #decoder = new TextDecoder();
  #durable: { seq: number; offsets: Map<Topic, number> };
  #nextSeq: number;
  #offsets: Map<Topic, number>;
  #added: { hash: number; seq: number }[] = [];
  #reply: number[] = [];
  #nowMs = 0;
  /** Bytes written in the open transaction, about. */
  bytes = 0;

  constructor(db: DatabaseSync, hot: HotIds, indexed: (hash: number) => readonly number[]) {
    this.#db = db;
    this.#hot = hot;
    this.#indexed = indexed;
    this.#insert = db.prepare('INSERT INTO journal(seq, kind, stamp, record) VALUES(?, ?, ?, ?)');
    this.#recordOf = db.prepare('SELECT record FROM journal WHERE seq = ?');
    this.#insertLabel = db.prepare(
      'INSERT OR IGNORE INTO labels(tenant, payment_id, labelled_at, label, source, seq) VALUES(?, ?, ?, ?, ?, ?)',
    );
    this.#position = db.prepare(
      `INSERT INTO positions(consumer, topic, part, next) VALUES(?, ?, ?, ?)
       ON CONFLICT(consumer, topic, part) DO UPDATE SET next = excluded.next`,
    );
    this.#nextSeq = numberOf(db, 'SELECT max(seq) FROM journal') + 1;
    this.#offsets = new Map();
    for (const [topic, table] of Object.entries(logTables)) {
      this.#appends.set(topic as Topic, db.prepare(`INSERT INTO ${table}(first, count, bytes) VALUES(?, ?, ?)`));
      this.#offsets.set(topic as Topic, numberOf(db, `SELECT first + count FROM ${table} ORDER BY first DESC LIMIT 1`));
    }
    this.#durable = { seq: this.#nextSeq, offsets: new Map(this.#offsets) };
  }

  /** @param nowMs rows whose deadline is before it will not be written. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#reply = [];
    this.#added = [];
    this.bytes = 0;
    this.#db.exec('BEGIN IMMEDIATE');
  }

  /** Applies one message, the bytes of which stay until the transaction ends. */
  apply(message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const type = view.getUint32(0, true);
    const count = view.getUint32(4, true);
    const ticket = view.getFloat64(8, true);
    const jsonBytes = view.getUint32(16, true);
    const tail = jsonBytes === 0 ? undefined : this.#json(message.slice(message.length - jsonBytes));
    this.bytes += message.length;
    if (type === messageType.record) {
      this.#record(message, view, count, ticket);
      if (tail !== undefined) this.#commitPositions((tail as RecordTail).commits);
    } else if (type === messageType.append) this.#append(message, view, count, ticket, tail as AppendTail);
    else if (type === messageType.labels) this.#labels(ticket, tail as LabelsTail);
    else if (type === messageType.commit) {
      this.#commitPositions((tail as CommitTail).commits);
      this.#reply.push(ticket, 0, 0);
    } else if (type === messageType.indexed) {
      this.#hot.dropThrough((tail as IndexedTail).throughSeq);
      this.#reply.push(ticket, 0, 0);
    } else throw new Error(`unknown message type ${type}`);
  }

  /** Makes everything since `begin` durable. @returns the reply's values. */
  commit(): Float64Array {
    this.#db.exec('COMMIT');
    this.#durable = { seq: this.#nextSeq, offsets: new Map(this.#offsets) };
    return Float64Array.from(this.#reply);
  }

  /** Forgets everything since `begin`; SQLite may have rolled back by itself. */
  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    for (const { hash, seq } of this.#added) this.#hot.remove(hash, seq);
    this.#nextSeq = this.#durable.seq;
    this.#offsets = new Map(this.#durable.offsets);
  }

  #json(bytes: Uint8Array): unknown {
    return JSON.parse(this.#decoder.decode(bytes));
  }

  #record(message: Uint8Array, view: DataView, rows: number, ticket: number): void {
    const reply = this.#reply;
    const base = reply.push(ticket, this.#nextSeq, 0);
    let at = headBytes + rows * rowHeadBytes;
    for (let row = 0; row < rows; row++) {
      const head = headBytes + row * rowHeadBytes;
      const hash = view.getFloat64(head, true);
      const length = view.getUint32(head + 24, true);
      const record = message.subarray(at, at + length);
      at += length;
      const code = this.#insertDecision(
        record,
        hash,
        view.getFloat64(head + 8, true),
        view.getFloat64(head + 16, true),
        view.getUint32(head + 28, true) !== 0,
      );
      if (code !== 0) reply.push(row, code);
    }
    reply[base - 1] = (reply.length - base) / 2;
  }

  /** First writer wins. @returns 0 when written, else the row's code. */
  #insertDecision(record: Uint8Array, hash: number, deadlineMs: number, stamp: number, suspect: boolean): number {
    for (const seq of this.#hot.find(hash)) if (this.#isAt(seq, record)) return seq;
    if (suspect) for (const seq of this.#indexed(hash)) if (this.#isAt(seq, record)) return seq;
    if (deadlineMs < this.#nowMs) return codeExpired;
    const seq = this.#nextSeq;
    this.#insert.run(seq, kindDecision, stamp, record);
    this.#nextSeq = seq + 1;
    this.#hot.add(hash, seq);
    this.#added.push({ hash, seq });
    return 0;
  }

  #isAt(seq: number, record: Uint8Array): boolean {
    const row = this.#recordOf.get(seq);
    return row !== undefined && sameRecordId(row.record as Uint8Array, record);
  }

  #append(message: Uint8Array, view: DataView, chunks: number, ticket: number, { topic }: AppendTail): void {
    const insert = this.#appends.get(topic);
    if (insert === undefined || !isStored(topic)) throw new Error(`messages cannot be appended to ${topic}`);
    let offset = this.#offsets.get(topic) as number;
    this.#reply.push(ticket, offset, 0);
    let at = headBytes + chunks * chunkHeadBytes;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const head = headBytes + chunk * chunkHeadBytes;
      const count = view.getUint32(head, true);
      const length = view.getUint32(head + 4, true);
      insert.run(offset, count, message.subarray(at, at + length));
      at += length;
      offset += count;
    }
    this.#offsets.set(topic, offset);
  }

  #labels(ticket: number, { labels }: LabelsTail): void {
    const reply = this.#reply;
    const base = reply.push(ticket, this.#nextSeq, 0);
    labels.forEach(({ stamp, ...label }, row) => {
      const { tenantId, paymentId, labelledAtMs } = label;
      const seq = this.#nextSeq;
      const { changes } = this.#insertLabel.run(tenantId, paymentId, labelledAtMs, label.label, label.source, seq);
      if (changes === 0) reply.push(row, codeKnown);
      else {
        this.#insert.run(seq, kindLabel, stamp, new TextEncoder().encode(JSON.stringify(label)));
        this.#nextSeq = seq + 1;
      }
    });
    reply[base - 1] = (reply.length - base) / 2;
  }

  #commitPositions(commits: readonly Commit[]): void {
    for (const { group, topic, partition, nextOffset } of commits)
      this.#position.run(group, topic, partition, nextOffset);
  }
}

/** The single number a query answers, 0 when it answers none. */
export function numberOf(db: DatabaseSync, sql: string): number {
  const row = db.prepare(sql).get();
  const value = row === undefined ? null : Object.values(row)[0];
  return value === null ? 0 : Number(value);
}
