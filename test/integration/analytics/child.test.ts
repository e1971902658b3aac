/** The analytics process: killed at random moments it loses and repeats nothing, and nobody outside it is harmed. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AnalyticsChild, startAnalyticsChild } from '../../../src/adapters/clickhouse/childClient.ts';
import { openChdb } from '../../../src/adapters/clickhouse/chdb.ts';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import { openEmbedded } from '../../../src/adapters/sqlite/open.ts';
import { openTestJournal, type TestJournal } from './journal.ts';
import { featureNames, makeLabel, makeRecord, releaseId, seededRandom, startMs } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
const entry = fileURLToPath(new URL('worker.ts', import.meta.url));
let dataDir: string;
let journal: TestJournal;
let child: AnalyticsChild | undefined;

/** Resolves when `condition` holds; looks often, because what is waited for is in another process. */
async function until(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = 60_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs)
      throw new Error(`waited ${timeoutMs} ms for: ${what}; ${JSON.stringify(child?.state())}`);
    await delay(5);
  }
}

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-child-'));
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

function append(random: () => number, from: number, count: number): void {
  const records = Array.from({ length: count }, (_, i) => makeRecord(random, from + i));
  const labels = records
    .filter(() => random() < 0.05)
    .map((record, i) => makeLabel(random, record, startMs + from + i));
  journal.append([...records, ...labels]);
}

describe(`analytics process (seed ${seed})`, { timeout: 180_000 }, () => {
  it('kill -9 while a block is under way, and at random moments: every entry of the journal ends as exactly one row', async () => {
    const random = seededRandom(seed);
    const kills = 5;
    let decisions = 0;
    const pending = (): boolean => {
      const positions = new DatabaseSync(join(dataDir, 'sink.db'), { readOnly: true });
      const row = positions.prepare('SELECT count(fromSeq) AS pending FROM position').get();
      positions.close();
      return row?.['pending'] === 1;
    };
    child = startAnalyticsChild({ dataDir, sink: true }, entry);
    for (let kill = 0; kill < kills; kill += 1) {
      append(random, decisions, 4_000);
      decisions += 4_000;
      await until(() => child?.state().state === 'up', 'the process to be up');
      const pid = child.state().pid ?? 0;
      if (kill % 2 === 0) await until(pending, 'a block to be under way');
      await delay(Math.floor(random() * 150));
      process.kill(pid, 'SIGKILL');
      await until(() => child?.state().pid !== pid, 'the dead process to be noticed');
    }
    await child.ready(60_000);
    const total = async (): Promise<number> =>
      (await child?.summary('default', startMs, startMs + 1e9, 1e9).catch(() => undefined))?.total ?? 0;
    await until(async () => child?.state().lagRows === 0 && (await total()) >= decisions, 'the sink to catch up');
    expect(child.state().restarts).toBe(kills);
    const entries = journal.lastSeq();
    await child.close();
    child = undefined;
    const client = openChdb(join(dataDir, 'analytics'));
    const rows = await select<Record<string, number>>(
      client,
      `SELECT count() AS decisions, uniqExact(paymentId) AS payments, sum(length(rules)) = (SELECT count() FROM holdfast.rule_hits) AS hits,
              (SELECT count() FROM holdfast.labels) AS labels FROM holdfast.decisions`,
      {},
    );
    await client.close();
    expect(rows[0]).toEqual({ decisions, payments: decisions, hits: 1, labels: entries - decisions });
  });

  it('while it is away, queries reject as AnalyticsUnavailable at once; those under way too; afterwards it answers again', async () => {
    child = startAnalyticsChild({ dataDir, sink: true }, entry);
    await expect(child.summary('default', 0, 10, 10)).rejects.toMatchObject({ name: 'AnalyticsUnavailable' });
    await child.ready(60_000);
    const underWay = expect(child.summary('default', 0, 10, 10)).rejects.toMatchObject({
      name: 'AnalyticsUnavailable',
    });
    process.kill(child.state().pid ?? 0, 'SIGKILL');
    await underWay;
    await expect(child.findDecisions({ tenantId: 'default', limit: 1 })).rejects.toMatchObject({
      name: 'AnalyticsUnavailable',
    });
    expect(child.state()).toMatchObject({ state: 'restarting', lastError: 'the analytics process ended (SIGKILL)' });
    await child.ready(60_000);
    expect(child.state().lastError).toBeUndefined();
    expect((await child.summary('default', 0, 10, 10)).total).toBe(0);
  });

  it('more calls than the bound are refused, not queued', async () => {
    const store = startAnalyticsChild({ dataDir, sink: false }, entry);
    child = store;
    await store.ready(60_000);
    const calls = await Promise.allSettled(
      Array.from({ length: 60 }, () => store.findDecisions({ tenantId: 'default', limit: 1 })),
    );
    const refused = calls.filter((call) => call.status === 'rejected');
    expect(refused.length).toBe(60 - 32);
    expect(refused.every((call) => (call.reason as Error).name === 'AnalyticsUnavailable')).toBe(true);
  });

  it('a second process on the same directory fails, is tried again, and works when the first is gone', async () => {
    child = startAnalyticsChild({ dataDir, sink: false }, entry);
    await child.ready(60_000);
    const second = startAnalyticsChild({ dataDir, sink: false }, entry);
    try {
      await until(() => second.state().restarts > 0, 'the second to fail');
      expect(second.state().state).not.toBe('up');
      await child.close();
      await second.ready(60_000);
    } finally {
      await second.close();
    }
  });

  it('the real journal, written by another process, reaches the store as it grows: decisions, features, labels', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-journal-'));
    mkdirSync(join(directory, 'releases'));
    writeFileSync(join(directory, 'releases', `${releaseId}.json`), JSON.stringify({ featureNames }));
    const embedded = await openEmbedded(directory);
    const real = startAnalyticsChild({ dataDir: directory, sink: true });
    try {
      const random = seededRandom(seed);
      let batch = 0;
      const record = async (from: number, count: number): Promise<void> => {
        const records = Array.from({ length: count }, (_, i) => makeRecord(random, from + i));
        batch += 1;
        const deadlines = records.map(() => Number.POSITIVE_INFINITY);
        await embedded.decisions.record(records, deadlines, batch, []);
        batch += 1;
        const { tenantId, ...label } = makeLabel(() => 0, records[0] ?? makeRecord(random, 0), startMs + from);
        await embedded.decisions.recordLabels(tenantId, [label], batch);
      };
      await record(0, 250);
      await real.ready(60_000);
      await record(250, 250);
      const summary = () => real.summary('default', startMs, startMs + 1e9, 1e9);
      await until(async () => (await summary()).total === 500, 'the store to have both batches');
      await until(async () => (await summary()).labels.fraud === 2, 'the store to have both labels');
      await until(() => real.state().insertedRows === 502 && real.state().lagRows === 0, 'the report to say so');
      expect(real.state()).toMatchObject({ state: 'up', lastError: undefined });
    } finally {
      await real.close();
      await embedded.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('it ends when its parent is killed', async () => {
    const client = new URL('../../../src/adapters/clickhouse/childClient.ts', import.meta.url);
    const program = `
      const { startAnalyticsChild } = await import(${JSON.stringify(client.href)});
      const child = startAnalyticsChild(${JSON.stringify({ dataDir, sink: true })}, ${JSON.stringify(entry)});
      await child.ready(60000);
      console.log(child.state().pid);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    parent.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await until(() => output.includes('\n'), 'the parent to tell the pid');
    const pid = Number(output.trim());
    expect(alive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !alive(pid), 'the analytics process to end');
  });
});
