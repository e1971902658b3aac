/** A journal of decisions and labels in one SQLite file, as small as the sink's tests need it. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Label } from '../../../src/domain/label.ts';
import { decodeRecord, encodeRecordBytes } from '../../../src/pipeline/codec.ts';
import type { DecisionRecord } from '../../../src/pipeline/ports.ts';
import type { JournalEntry, JournalSource } from '../../../src/pipeline/sink.ts';

type TenantLabel = Label & { readonly tenantId: string };
interface StoredEntry {
  readonly seq: number;
  readonly record: Uint8Array | null;
  readonly label: string | null;
}

export interface TestJournal extends JournalSource {
  append(entries: readonly (DecisionRecord | TenantLabel)[]): void;
  close(): void;
}

export function openTestJournal(dataDir: string, readOnly = false): TestJournal {
  const database = new DatabaseSync(join(dataDir, 'journal.db'), { readOnly });
  if (!readOnly) {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, record BLOB, label TEXT) STRICT');
  }
  return {
    append(entries) {
      const insert = database.prepare('INSERT INTO entries (record, label) VALUES (?, ?)');
      database.exec('BEGIN');
      for (const entry of entries) {
        if ('decision' in entry) insert.run(encodeRecordBytes(entry), null);
        else insert.run(null, JSON.stringify(entry));
      }
      database.exec('COMMIT');
    },
    readDecisions(fromSeq, max) {
      const rows = database
        .prepare('SELECT seq, record, label FROM entries WHERE seq >= ? ORDER BY seq LIMIT ?')
        .all(fromSeq, max);
      return (rows as unknown[] as StoredEntry[]).map((row): JournalEntry => {
        if (row.record !== null) return { seq: row.seq, kind: 'decision', record: decodeRecord(row.record) };
        return { seq: row.seq, kind: 'label', label: JSON.parse(row.label ?? '') as TenantLabel };
      });
    },
    lastSeq() {
      const row = database.prepare('SELECT coalesce(max(seq), 0) AS seq FROM entries').get();
      return Number(row?.['seq']);
    },
    close() {
      database.close();
    },
  };
}
