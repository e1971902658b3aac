/** The embedded twins of the pipeline's ports over one data directory. */
import { mkdirSync, rmSync } from 'node:fs';
import type { DecisionStore, EventLog, VelocityStore } from '../../pipeline/ports.ts';
import { topics } from '../../pipeline/ports.ts';
import { journalPath, openWriter, statePath } from './connection.ts';
import { SqliteDecisionStore } from './decisionStore.ts';
import { SqliteEventLog } from './eventLog.ts';
import { readCheckpoint } from './checkpoint.ts';
import { defaultPace, type FlushPace, Flusher } from './flusher.ts';
import { filterBytesMin } from './idFilter.ts';
import { createIdHash } from './idHash.ts';
import { IdIndex } from './idIndex.ts';
import { JournalClient } from './journalClient.ts';
import { awaitDirectory } from './lock.ts';
import { JournalReader } from './reader.ts';
import type { VelocityMemory } from '../../features/types.ts';
import type { StorageHooks } from './storageHooks.ts';
import type { RecoveryProgress } from './recovery.ts';
import { replayJournal } from './recovery.ts';
import { journalMigrations, migrate, stateMigrations } from './schema.ts';
import { StoredKeys } from './storedKeys.ts';
import { StampLedger } from './stamps.ts';
import { StateClient } from './stateClient.ts';
import { createEmbeddedVelocity, LabelStamps } from './velocity.ts';

export { DataDirectoryInUse } from './lock.ts';
export { SchemaTooNew } from './schema.ts';
export { JournalWriteFailed } from './journalClient.ts';
export type { StorageHooks } from './storageHooks.ts';

/** Ids that may wait unindexed in memory when the directory opens; more are indexed first. */
const hotIdsMax = 40_000;
const indexRowsPerFlush = 20_000;
/** Rows among which the newest stamp must be: rows overtake each other only within the batches in flight. */
const stampWindowRows = 65_536;

export interface EmbeddedOptions {
  /** Pages journal.db may have; for tests of a full disk. */
  readonly journalPagesMax?: number;
  readonly pace?: FlushPace;
  /** Memory of the filter of ids, at least; a power of two. */
  readonly filterBytesLeast?: number;
}

type OnProgress = (progress: RecoveryProgress) => void;

export interface EmbeddedStats {
  /** Calls on their way to the journal, and their bytes. */
  readonly queueDepth: number;
  readonly queuedBytes: number;
  readonly lastSeq: number;
  /** Journal rows that a crash now would have to replay. */
  readonly checkpointLagRows: number;
  readonly dirtyEntities: number;
  readonly heldEntities: number;
  readonly unindexedIds: number;
  /** Appends to velocity that are neither recorded nor taken back. */
  readonly openStamps: number;
  readonly lastFlushMs: number;
  /** What went wrong last in bringing state.db up to date, or with the threads. */
  readonly lastError: string | undefined;
}

export interface Embedded {
  readonly log: EventLog;
  readonly decisions: DecisionStore;
  /**
   * Recovers the velocity state into the memory that `create` makes, empty, and keeps it from then on. Once, before the
   * first payment. State of another shape than the memory's program is rebuilt from the whole journal.
   */
  velocity(create: (hooks: StorageHooks) => VelocityMemory, onProgress?: OnProgress): Promise<VelocityStore>;
  /** Whether the last stop was a clean one. */
  readonly cleanStart: boolean;
  stats(): EmbeddedStats;
  /** Writes out what is queued, stores all entities, and frees the directory. */
  close(): Promise<void>;
}

/**
 * Opens a data directory, creating what is missing.
 * @throws DataDirectoryInUse, SchemaTooNew
 */
export async function openEmbedded(dataDir: string, options: EmbeddedOptions = {}): Promise<Embedded> {
  mkdirSync(dataDir, { recursive: true });
  const lock = await awaitDirectory(dataDir);
  /** What is open, in the order in which it was opened. */
  const opened: Closable[] = [{ close: () => lock.release() }];
  try {
    prepareJournal(dataDir);
    const reader = new JournalReader(dataDir);
    opened.push(reader);
    const clean = prepareState(dataDir, reader);
    return await start(dataDir, options, reader, clean, opened);
  } catch (error) {
    await closeReversed(opened);
    throw error;
  }
}

interface Closable {
  close(): Promise<void> | void;
}

async function closeReversed(opened: readonly Closable[]): Promise<void> {
  for (const each of [...opened].reverse()) await each.close();
}

function prepareJournal(dataDir: string): void {
  const db = openWriter(journalPath(dataDir), 'FULL');
  try {
    migrate(db, journalMigrations);
  } finally {
    db.close();
  }
}

/**
 * state.db is derived: one that knows more than the journal belongs to another journal, and is made anew.
 * @returns whether the last stop was clean; from here on the next one is not, until it is.
 */
function prepareState(dataDir: string, reader: JournalReader): boolean {
  const path = statePath(dataDir);
  const db = openWriter(path, 'NORMAL');
  try {
    migrate(db, stateMigrations);
    const meta = db.prepare('SELECT value FROM meta WHERE name = ?');
    const idsSeq = Number(meta.get('idsSeq')?.value ?? 0);
    const clean = reader.lastSeq() === 0 || meta.get('clean')?.value === '1';
    db.exec("INSERT OR REPLACE INTO meta(name, value) VALUES('clean', '0')");
    if (idsSeq <= reader.lastSeq()) return clean;
  } finally {
    db.close();
  }
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  const fresh = openWriter(path, 'NORMAL');
  migrate(fresh, stateMigrations);
  fresh.close();
  return false;
}

async function start(
  dataDir: string,
  options: EmbeddedOptions,
  reader: JournalReader,
  cleanStart: boolean,
  opened: Closable[],
): Promise<Embedded> {
  const lastSeq = reader.lastSeq();
  const hash = createIdHash(reader.meta('idHashKey') ?? '');
  const index = new IdIndex(dataDir, reader, hash, lastSeq, options.filterBytesLeast ?? filterBytesMin);
  opened.push(index);
  const stored = new StoredKeys();
  const state = new StateClient({ dataDir }, (what) => {
    if (what === 'ids') index.filled();
    else stored.complete();
  });
  opened.push(state);
  const hot = await recoverIds(reader, index, state, Number(state.meta('idsSeq') ?? 0));
  const fill = index.filterToFill();
  if (fill !== undefined) state.fill(fill);
  state.fillKeys(stored.memory);
  const journal = new JournalClient({ dataDir, hot, pagesMax: options.journalPagesMax ?? 0 });
  opened.push(journal);
  await journal.ready();

  const checkpoint = readCheckpoint((name) => state.meta(name));
  const ledger = new StampLedger(checkpoint, reader.newestStamp(stampWindowRows), lastSeq);
  const flusher = new Flusher({
    pace: options.pace ?? defaultPace,
    state,
    ledger,
    checkpoint,
    onTaken: (key) => stored.add(key),
    onIndexed(seq) {
      index.hot.dropThrough(seq);
      journal.indexed(seq);
      const memory = index.grow(decisions.unansweredHashes());
      if (memory !== undefined) state.fill(memory);
    },
  });
  for (let i = 0; i < hot.length; i += 2) flusher.noteId(hot[i] as number, hot[i + 1] as number);
  const labelStamps = new LabelStamps(ledger);
  const decisions = new SqliteDecisionStore({
    journal,
    reader,
    index,
    ledger,
    labelStamps,
    flusher,
    onRecorded: () => log.appended(topics.decisions),
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll());
  const log = new SqliteEventLog(journal, reader, decisions, close);

  async function closeAll(): Promise<void> {
    log.closeMembers();
    try {
      await journal.close();
      await flusher.close();
    } finally {
      await closeReversed(opened);
    }
  }

  async function velocity(
    create: (hooks: StorageHooks) => VelocityMemory,
    onProgress: OnProgress = () => {},
  ): Promise<VelocityStore> {
    const loadMissing = (key: Uint8Array) =>
      stored.mayHold(key) ? (flusher.copies.find(key) ?? state.entity(key)) : undefined;
    const memory = create({ loadMissing, storedElsewhere: true });
    const { stateFingerprint } = memory.program;
    const sameShape = state.meta('fingerprint') === stateFingerprint;
    if (!sameShape) await flusher.dropVelocity(stateFingerprint);
    const from = sameShape ? { stamp: checkpoint.stamp, seq: checkpoint.replayFromSeq } : { stamp: 0, seq: 1 };
    await replayJournal({ reader, state, index, memory, onProgress, checkpoint: from.stamp, fromSeq: from.seq });
    flusher.attach(memory);
    return createEmbeddedVelocity(memory, ledger, labelStamps, flusher);
  }

  return {
    log,
    decisions,
    velocity,
    cleanStart,
    close,
    stats() {
      const { lastError, ...flush } = flusher.stats();
      const error = journal.failure?.message ?? state.failure?.message ?? lastError;
      const { queueDepth, queuedBytes } = journal;
      return {
        ...flush,
        queueDepth,
        queuedBytes,
        lastSeq: ledger.lastSeq,
        openStamps: ledger.openCount,
        lastError: error,
      };
    },
  };
}

/** Takes in the ids that state.db does not index. @returns those that stay in memory: hash, seq, flat. */
async function recoverIds(
  reader: JournalReader,
  index: IdIndex,
  state: StateClient,
  idsSeq: number,
): Promise<Float64Array> {
  const lastSeq = reader.lastSeq();
  let next = idsSeq + 1;
  while (lastSeq - next >= hotIdsMax) {
    const through = next + indexRowsPerFlush - 1;
    const ids = Float64Array.from(reader.decisionIds(next, through, index.hash));
    const meta = [['idsSeq', String(through)]] as const;
    await state.run({ type: 'flush', ids, entities: new Uint8Array(0), entityCount: 0, meta });
    next = through + 1;
  }
  const hot = Float64Array.from(reader.decisionIds(next, lastSeq, index.hash));
  for (let i = 0; i < hot.length; i += 2) index.recovered(hot[i] as number, hot[i + 1] as number);
  return hot;
}
