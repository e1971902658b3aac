/** A power loss: what the embedded engine and the sink had not on disk is torn or gone, and comes back from the journal. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AnalyticsChild, startAnalyticsChild } from '../../../src/adapters/clickhouse/childClient.ts';
import { openChdb } from '../../../src/adapters/clickhouse/chdb.ts';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import { openSinkPositions } from '../../../src/adapters/clickhouse/sinkPositions.ts';
import { openTestJournal, type TestJournal } from './journal.ts';
import { featureNames, makeLabel, makeRecord, releaseId, seededRandom, startMs } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
const entry = fileURLToPath(new URL('worker.ts', import.meta.url));
let dataDir: string;
let journal: TestJournal;
let child: AnalyticsChild | undefined;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-power-'));
  mkdirSync(join(dataDir, 'releases'));
  writeFileSync(join(dataDir, 'releases', `${releaseId}.json`), JSON.stringify({ featureNames }));
  journal = openTestJournal(dataDir);
});
afterEach(async () => {
  await child?.close();
  child = undefined;
  journal.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function caughtUp(running: AnalyticsChild, rows: number): Promise<void> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    const summary = await running.summary('default', startMs, startMs + 1e9, 1e9).catch(() => undefined);
    if (running.state().lagRows === 0 && (summary?.total ?? 0) >= rows) return;
    if (performance.now() > endMs) throw new Error(`not caught up: ${JSON.stringify(running.state())}`);
    await delay(10);
  }
}

const tables = ['decisions', 'rule_hits', 'labels', 'decisions_per_minute'];

/** The directories of a table's parts, oldest first. */
function partsOf(table: string): string[] {
  const directory = join(dataDir, 'analytics', 'data', 'holdfast', table);
  const blockOf = (name: string): number => Number(name.split('_')[1]);
  return readdirSync(directory)
    .filter((name) => /^\d+_\d+_\d+_\d+$/.test(name))
    .sort((a, b) => blockOf(a) - blockOf(b))
    .map((name) => join(directory, name));
}

/** What delayed allocation leaves of files nobody synced: their names with nothing in them, or not even the names. */
function tear(part: string, random: () => number): void {
  if (random() < 0.3) rmSync(part, { recursive: true });
  else if (random() < 0.5) for (const name of readdirSync(part)) truncateSync(join(part, name));
  else truncateSync(join(part, 'data.bin'));
}

describe(`power loss (seed ${seed})`, { timeout: 180_000 }, () => {
  it('newest parts torn, positions rolled back, tokens lost: every entry of the journal is one row again', async () => {
    const random = seededRandom(seed);
    let decisions = 0;
    const wave = (count: number): void => {
      const records = Array.from({ length: count }, (_, i) => makeRecord(random, decisions + i));
      journal.append([...records, ...records.slice(0, 20).map((record, i) => makeLabel(random, record, startMs + i))]);
      decisions += count;
    };
    child = startAnalyticsChild({ dataDir, sink: true }, entry);
    await child.ready(60_000);
    wave(3_000);
    await caughtUp(child, decisions);
    const settledSeq = journal.lastSeq() + 1;
    const settledParts = new Set(tables.flatMap(partsOf));
    wave(2_000);
    await caughtUp(child, decisions);
    // The positions that reached the disk are those of some moment before the loss.
    cpSync(join(dataDir, 'sink.db'), join(dataDir, 'kept.db'));
    cpSync(join(dataDir, 'sink.db-wal'), join(dataDir, 'kept.db-wal'));
    wave(1_000);
    await caughtUp(child, decisions);
    await child.close();

    let torn = 0;
    for (const table of tables) {
      for (const part of partsOf(table)) {
        // At least the newest part of each is lost.
        if (settledParts.has(part) || (random() < 0.3 && part !== partsOf(table).at(-1))) continue;
        tear(part, random);
        torn += 1;
      }
    }
    const logs = join(dataDir, 'analytics', 'data', 'holdfast', 'decisions', 'deduplication_logs');
    for (const name of readdirSync(logs)) truncateSync(join(logs, name), 3);
    for (const name of ['sink.db', 'sink.db-wal', 'sink.db-shm']) rmSync(join(dataDir, name), { force: true });
    cpSync(join(dataDir, 'kept.db'), join(dataDir, 'sink.db'));
    cpSync(join(dataDir, 'kept.db-wal'), join(dataDir, 'sink.db-wal'));
    const positions = new DatabaseSync(join(dataDir, 'sink.db'));
    positions.prepare('UPDATE position SET boot = ?, settledSeq = ?').run('before the loss', settledSeq);
    positions.close();

    const damaged = startAnalyticsChild({ dataDir, sink: false }, entry);
    child = damaged;
    await damaged.ready(60_000);
    expect((await damaged.summary('default', startMs, startMs + 1e9, 1e9)).total).toBeLessThan(decisions);
    await damaged.close();
    child = startAnalyticsChild({ dataDir, sink: true }, entry);
    await child.ready(60_000);
    await caughtUp(child, decisions);
    const entries = journal.lastSeq();
    await child.close();
    child = undefined;
    const client = openChdb(join(dataDir, 'analytics'));
    const rows = await select<Record<string, number>>(
      client,
      `SELECT count() AS decisions, uniqExact(paymentId) AS payments, sum(length(rules)) = (SELECT count() FROM holdfast.rule_hits) AS hits,
              (SELECT count() FROM holdfast.labels) AS labels,
              (SELECT sum(decisions) FROM holdfast.decisions_per_minute FINAL WHERE ruleId = '') AS summed FROM holdfast.decisions`,
      {},
    );
    await client.close();
    expect(torn).toBeGreaterThan(0);
    expect(rows[0]).toEqual({
      decisions,
      payments: decisions,
      hits: 1,
      labels: entries - decisions,
      summed: decisions,
    });
  });
});

describe('sink positions', () => {
  it('after a restart of the machine the position is one that was reached ten minutes before the newest, or earlier', () => {
    let nowMs = 0;
    const path = join(dataDir, 'sink.db');
    const open = (bootId: string) => openSinkPositions(path, { bootId, nowMs: () => nowMs });
    const first = open('a');
    expect(first.load()).toBeUndefined();
    first.start(0, 0);
    for (let minute = 1; minute <= 45; minute += 1) {
      nowMs = minute * 60_000;
      first.begin({ fromSeq: minute * 10 - 9, toSeq: minute * 10 });
      first.commit(minute * 10 + 1);
    }
    first.begin({ fromSeq: 451, toSeq: 460 });
    first.close();
    const killed = open('a');
    expect(killed.load()).toEqual({
      nextSeq: 451,
      pending: { fromSeq: 451, toSeq: 460 },
      absentToSeq: 0,
      powerLost: false,
    });
    killed.close();
    const rebooted = open('b');
    const position = rebooted.load();
    expect(position).toMatchObject({ pending: undefined, powerLost: true });
    expect(position?.nextSeq).toBeLessThanOrEqual(351);
    expect(position?.nextSeq).toBeGreaterThan(251);
    rebooted.start(position?.nextSeq ?? 0, 470);
    rebooted.close();
    const again = open('b');
    expect(again.load()).toEqual({ ...position, absentToSeq: 470, powerLost: false });
    again.close();
    // Where the machine does not say when it was started, every start counts as one after a power loss.
    const unknown = open('');
    expect(unknown.load()?.powerLost).toBe(true);
    unknown.close();
  });

  it('a position file of an earlier version, which was fsynced, is trusted as it is', () => {
    const path = join(dataDir, 'sink.db');
    const old = new DatabaseSync(path);
    old.exec(`CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), nextSeq INTEGER NOT NULL, fromSeq INTEGER,
      toSeq INTEGER, absentToSeq INTEGER NOT NULL) STRICT; INSERT INTO position VALUES (1, 11, 11, 20, 5)`);
    old.close();
    const positions = openSinkPositions(path, { bootId: 'a' });
    const kept = { nextSeq: 11, pending: { fromSeq: 11, toSeq: 20 }, absentToSeq: 5, powerLost: false };
    expect(positions.load()).toEqual(kept);
    positions.close();
    const later = openSinkPositions(path, { bootId: 'a' });
    expect(later.load()).toEqual(kept);
    later.close();
    const rebooted = openSinkPositions(path, { bootId: 'b' });
    expect(rebooted.load()).toMatchObject({ nextSeq: 11, powerLost: true });
    rebooted.close();
  });
});
