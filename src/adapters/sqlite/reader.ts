/** Reads a data directory's journal: for lookups and polls in the process that writes it, and for other processes. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Label, LabelSource, LabelValue } from '../../domain/label.ts';
import { decodeRecord } from '../../pipeline/codec.ts';
import type { DecisionRecord, Message, Topic } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import type { JournalEntry, JournalSource } from '../../pipeline/sink.ts';
import { journalPath, openReader } from './connection.ts';
import { kindDecision, logTables, numberOf } from './journalWriter.ts';
import { readChunk } from './logChunk.ts';

type TenantLabel = Label & { readonly tenantId: string };

/** Messages that `pages` reads at once. */
const pageMessagesMax = 1000;

/** The chunk a topic was last read from: a poll usually goes on where the one before ended. */
interface CachedChunk {
  readonly first: number;
  readonly messages: readonly { readonly key: string; readonly value: Uint8Array }[];
}

export class JournalReader implements JournalSource {
  readonly #db: DatabaseSync;
  readonly #record: StatementSync;
  readonly #entries: StatementSync;
  readonly #stamps: StatementSync;
  readonly #decisionRange: StatementSync;
  readonly #decisions: StatementSync;
  readonly #lastSeq: StatementSync;
  readonly #labels: StatementSync;
  readonly #labelsAfter: StatementSync;
  readonly #position: StatementSync;
  readonly #chunkAt = new Map<Topic, StatementSync>();
  readonly #end = new Map<Topic, StatementSync>();
  readonly #chunks = new Map<Topic, CachedChunk>();

  constructor(dataDir: string) {
    const db = openReader(journalPath(dataDir));
    this.#db = db;
    this.#record = db.prepare('SELECT record FROM journal WHERE seq = ?');
    this.#entries = db.prepare('SELECT seq, kind, stamp, record FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?');
    this.#decisionRange = db.prepare(
      'SELECT seq, record FROM journal WHERE seq BETWEEN ? AND ? AND kind = 1 ORDER BY seq',
    );
    this.#stamps = db.prepare('SELECT seq, stamp FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?');
    this.#decisions = db.prepare('SELECT seq, record FROM journal WHERE seq >= ? AND kind = 1 ORDER BY seq LIMIT ?');
    this.#lastSeq = db.prepare('SELECT max(seq) AS seq FROM journal');
    this.#labels = db.prepare(
      'SELECT label, source, labelled_at FROM labels WHERE tenant = ? AND payment_id = ? ORDER BY seq',
    );
    this.#labelsAfter = db.prepare('SELECT count(*) AS n FROM labels WHERE seq >= ?');
    this.#position = db.prepare('SELECT next FROM positions WHERE consumer = ? AND topic = ? AND part = 0');
    for (const [topic, table] of Object.entries(logTables)) {
      const at = `SELECT first, bytes FROM ${table} WHERE first <= ? ORDER BY first DESC LIMIT 1`;
      this.#chunkAt.set(topic as Topic, db.prepare(at));
      this.#end.set(topic as Topic, db.prepare(`SELECT first + count AS n FROM ${table} ORDER BY first DESC LIMIT 1`));
    }
  }

  /** The encoded record of a decision. */
  recordBytes(seq: number): Uint8Array | undefined {
    return this.#record.get(seq)?.record as Uint8Array | undefined;
  }

  recordAt(seq: number): DecisionRecord | undefined {
    const bytes = this.recordBytes(seq);
    return bytes === undefined ? undefined : decodeRecord(bytes);
  }

  readDecisions(fromSeq: number, max: number): readonly JournalEntry[] {
    return [...this.entries(fromSeq, max)];
  }

  /** As `readDecisions`, each with the stamp that orders it for velocity. */
  entries(fromSeq: number, max: number): (JournalEntry & { readonly stamp: number })[] {
    return this.#entries.all(fromSeq, max).map((row) => {
      const { seq, stamp } = row as { seq: number; stamp: number };
      const bytes = row.record as Uint8Array;
      if (row.kind === kindDecision) return { seq, stamp, kind: 'decision', record: decodeRecord(bytes) };
      return { seq, stamp, kind: 'label', label: JSON.parse(Buffer.from(bytes).toString()) as TenantLabel };
    });
  }

  /** Up to `max` rows from `fromSeq` on, without what they hold. */
  stamps(fromSeq: number, max: number): { readonly seq: number; readonly stamp: number }[] {
    return this.#stamps.all(fromSeq, max).map(({ seq, stamp }) => ({ seq: seq as number, stamp: stamp as number }));
  }

  /** hash, seq of the decisions from `fromSeq` through `throughSeq`, flat. */
  *decisionIds(
    fromSeq: number,
    throughSeq: number,
    hash: (tenantId: string, paymentId: string) => number,
  ): Generator<number> {
    for (const row of this.#decisionRange.iterate(fromSeq, throughSeq)) {
      const { tenantId, paymentId } = decodeRecord(row.record as Uint8Array);
      yield hash(tenantId, paymentId);
      yield row.seq as number;
    }
  }

  lastSeq(): number {
    return (this.#lastSeq.get()?.seq ?? 0) as number;
  }

  firstSeq(): number {
    return (this.#db.prepare('SELECT min(seq) AS seq FROM journal').get()?.seq ?? 0) as number;
  }

  labelsOf(tenantId: string, paymentId: string): readonly Label[] {
    return this.#labels.all(tenantId, paymentId).map((row) => ({
      paymentId,
      label: row.label as LabelValue,
      source: row.source as LabelSource,
      labelledAtMs: row.labelled_at as number,
    }));
  }

  /** The next offset of the group, 0 when it never committed. */
  position(group: string, topic: Topic): number {
    return (this.#position.get(group, topic)?.next ?? 0) as number;
  }

  /** Up to `max` messages of the topic from `offset` on. */
  messages(topic: Topic, offset: number, max: number): readonly Message[] {
    if (topic !== topics.decisions) return this.#storedMessages(topic, offset, max);
    return this.#decisions.all(offset, max).map((row) => {
      const value = row.record as Uint8Array;
      return { partition: 0, offset: row.seq as number, key: decodeRecord(value).paymentId, value };
    });
  }

  /** All messages that are in the topic now, in order. */
  *pages(topic: Topic): Generator<readonly Message[]> {
    let left = this.messagesFrom(topic, 0);
    for (let from = 0; left > 0; ) {
      const page = this.messages(topic, from, Math.min(left, pageMessagesMax));
      const last = page.at(-1);
      if (last === undefined) return;
      left -= page.length;
      from = last.offset + 1;
      yield page;
    }
  }

  /** Messages of the topic at `offset` or after it. */
  messagesFrom(topic: Topic, offset: number): number {
    if (topic !== topics.decisions) {
      const end = (this.#end.get(topic)?.get()?.n ?? 0) as number;
      return Math.max(0, end - offset);
    }
    const rows = Math.max(0, this.lastSeq() - Math.max(1, offset) + 1);
    return rows === 0 ? 0 : rows - ((this.#labelsAfter.get(offset)?.n ?? 0) as number);
  }

  /** The largest stamp among the newest `rows` entries, 0 when there are none. */
  newestStamp(rows: number): number {
    return numberOf(this.#db, `SELECT max(stamp) FROM journal WHERE seq > ${this.lastSeq() - rows}`);
  }

  meta(name: string): string | undefined {
    return this.#db.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.value as string | undefined;
  }

  close(): void {
    this.#db.close();
  }

  #storedMessages(topic: Topic, offset: number, max: number): readonly Message[] {
    const found: Message[] = [];
    for (let next = offset; found.length < max; next = offset + found.length) {
      const chunk = this.#chunkHolding(topic, next);
      if (chunk === undefined) break;
      const from = next - chunk.first;
      const to = Math.min(chunk.messages.length, from + max - found.length);
      for (let i = from; i < to; i++) {
        const message = chunk.messages[i] as CachedChunk['messages'][number];
        found.push({ partition: 0, offset: chunk.first + i, key: message.key, value: message.value });
      }
    }
    return found;
  }

  #chunkHolding(topic: Topic, offset: number): CachedChunk | undefined {
    const holds = (chunk: CachedChunk): boolean =>
      offset >= chunk.first && offset < chunk.first + chunk.messages.length;
    const cached = this.#chunks.get(topic);
    if (cached !== undefined && holds(cached)) return cached;
    const row = this.#chunkAt.get(topic)?.get(offset);
    if (row === undefined) return undefined;
    const chunk = { first: row.first as number, messages: [...readChunk(row.bytes as Uint8Array)] };
    if (!holds(chunk)) return undefined;
    this.#chunks.set(topic, chunk);
    return chunk;
  }
}

/** The journal of a data directory that another process writes. Throws while there is none. */
export function openJournalReader(dataDir: string): JournalReader {
  return new JournalReader(dataDir);
}
