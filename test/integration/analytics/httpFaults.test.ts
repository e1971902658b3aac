/** What goes wrong between us and a ClickHouse server: no row is lost or doubled by it, and the errors say which kind it is. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startAnalyticsChild } from '../../../src/adapters/clickhouse/childClient.ts';
import { describeError } from '../../../src/adapters/clickhouse/childProtocol.ts';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import { openServer } from '../../../src/adapters/clickhouse/server.ts';
import { openSinkPositions } from '../../../src/adapters/clickhouse/sinkPositions.ts';
import { createClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import { createSink, type JournalEntry, type JournalSource, runSink } from '../../../src/pipeline/sink.ts';
import {
  type ClickHouseFront,
  type Fault,
  type FaultKind,
  startClickHouseFront,
} from '../../helpers/clickhouseFront.ts';
import { openTestJournal } from './journal.ts';
import { featureNames, makeLabel, makeRecord, releaseId, seededRandom, startMs } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
/** Short, so that a server that does not answer costs little. */
const requestMs = 800;
let directory: string;
let front: ClickHouseFront;
let client: ClickHouseClient;
let database: string;
let store: ReturnType<typeof createClickHouseStore>;
let runs = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-faults-'));
  front = await startClickHouseFront();
}, 60_000);
afterAll(async () => {
  await front.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  await front.faults();
  runs += 1;
  ({ client, database } = openServer({ url: front.url, ...front.login, database: `holdfast_test_${runs}` }));
  store = createClickHouseStore(client, { database, place: 'server' });
  await store.migrate();
  await client.close();
  ({ client, database } = openServer({ url: front.url, ...front.login, database, requestMs }));
  store = createClickHouseStore(client, { database, place: 'server' });
  await front.seen();
  return () => store.close();
});

function makeJournal(decisions: number): { entries: JournalEntry[]; source: JournalSource; read: () => number } {
  const random = seededRandom(seed + decisions);
  const entries: JournalEntry[] = [];
  for (let i = 0; i < decisions; i += 1) {
    const record = makeRecord(random, i);
    entries.push({ seq: entries.length + 1, kind: 'decision', record });
    if (i % 10 === 0)
      entries.push({ seq: entries.length + 1, kind: 'label', label: makeLabel(random, record, startMs) });
  }
  let read = 0;
  const source: JournalSource = {
    readDecisions(fromSeq, max) {
      const page = entries.slice(Math.max(0, fromSeq - 1), Math.max(0, fromSeq - 1) + max);
      read += page.length;
      return page;
    },
    lastSeq: () => entries.length,
  };
  return { entries, source, read: () => read };
}

const openSink = (source: JournalSource) =>
  createSink({
    source,
    store,
    positions: openSinkPositions(join(directory, `sink-${runs}.db`)),
    featureNamesOf: () => featureNames,
  });

async function expectEachOnce(entries: readonly JournalEntry[]): Promise<void> {
  const rows = await select<Record<string, number>>(
    client,
    `SELECT (SELECT count() FROM ${database}.decisions) AS decisions, (SELECT uniqExact(paymentId) FROM ${database}.decisions) AS payments,
            (SELECT count() FROM ${database}.rule_hits) = (SELECT sum(length(rules)) FROM ${database}.decisions) AS hits,
            (SELECT count() FROM ${database}.labels) AS labels`,
    {},
  );
  const decisions = entries.filter((entry) => entry.kind === 'decision').length;
  expect(rows[0]).toEqual({ decisions, payments: decisions, hits: 1, labels: entries.length - decisions });
}

const tables = ['decisions', 'rule_hits', 'labels'] as const;
const kinds: readonly FaultKind[] = [
  ...(['status', 'statusAfter', 'resetBefore', 'resetAfter', 'hang', 'hangAfter', 'brokenBody', 'delay'] as const),
];

describe(`a ClickHouse server in trouble (seed ${seed})`, { timeout: 120_000 }, () => {
  it.each(kinds)(
    '%s at the insert into any table: the same block goes again under the same token, and no row twice',
    async (kind) => {
      const { entries, source } = makeJournal(400);
      const sink = openSink(source);
      const slow = kind === 'hang' || kind === 'hangAfter' || kind === 'delay';
      const faults = tables.map(
        (table): Fault => ({
          kind,
          match: `INSERT INTO ${database}.${table} `,
          times: slow ? 1 : 2,
          ms: requestMs * 2,
        }),
      );
      await front.faults(...faults);
      let failures = 0;
      while (sink.lagRows() > 0) {
        await sink.step().catch((error: unknown) => {
          failures += 1;
          expect(error).toMatchObject({ name: 'AnalyticsUnavailable' });
        });
        expect(failures).toBeLessThan(20);
      }
      expect(failures).toBeGreaterThanOrEqual(slow ? 3 : 6);
      await expectEachOnce(entries);
      const inserts = (await front.seen()).filter((request) => request.statement.startsWith('INSERT'));
      for (const table of tables) {
        const attempts = inserts.filter((request) => request.statement.includes(`.${table} `));
        expect(attempts.length).toBeGreaterThanOrEqual(slow ? 2 : 3);
        expect(new Set(attempts.map((request) => request.token)).size).toBe(1);
        expect(new Set(attempts.map((request) => request.bodySha256)).size).toBe(1);
      }
    },
  );

  it('kill -9 of the server while blocks are inserted, three times: when it is back every row is there once', async () => {
    const random = seededRandom(seed);
    const { entries, source } = makeJournal(3_000);
    let shown = 0;
    const growing: JournalSource = {
      readDecisions: (fromSeq, max) => source.readDecisions(fromSeq, max).filter((entry) => entry.seq <= shown),
      lastSeq: () => shown,
    };
    const sink = openSink(growing);
    for (let kill = 0; kill < 3; kill += 1) {
      shown = Math.ceil((entries.length * (kill + 1)) / 3);
      const step = sink.step().then(
        () => 'inserted',
        (error: unknown) => error,
      );
      await delay(random() * 200);
      await front.kill();
      const outcome = await step;
      if (outcome !== 'inserted') expect(outcome).toMatchObject({ name: 'AnalyticsUnavailable' });
      if (sink.lagRows() > 0) await expect(sink.step()).rejects.toMatchObject({ name: 'AnalyticsUnavailable' });
      await front.restart();
    }
    while (sink.lagRows() > 0) await sink.step();
    await expectEachOnce(entries);
  });

  it('a store that hangs stops the reading: at most one block is held, however long it takes', async () => {
    const { entries, source, read } = makeJournal(5_000);
    const sink = openSink(source);
    const stop = new AbortController();
    const errors: unknown[] = [];
    let reads = -1;
    await front.faults({ kind: 'hang', match: 'INSERT', times: 3 });
    const running = runSink(
      sink,
      {
        wait: (_, signal) => new Promise((resolve) => (signal.aborted ? resolve() : setImmediate(resolve))),
        onStep: () => {
          if (sink.lagRows() === 0) stop.abort();
        },
        onError(error) {
          errors.push(error);
          if (reads < 0) reads = read();
          // Each retry reads the block again from the journal, and nothing beyond it.
          expect(read()).toBe(reads * errors.length);
          expect(read()).toBeLessThanOrEqual(entries.length * errors.length);
        },
      },
      stop.signal,
    );
    await running;
    expect(errors.length).toBeGreaterThanOrEqual(3);
    await expectEachOnce(entries);
  });

  it('a wrong password or a table of another shape is refused for good; a server that is away may come back', async () => {
    const wrong = openServer({ url: front.url, user: front.login.user, password: 'wrong', database });
    const refused = createClickHouseStore(wrong.client, { database, place: 'server' });
    const error = await refused.summary('default', 0, 10, 10).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ name: 'AnalyticsRefused' });
    expect(describeError(error)).toBe('ClickHouse AUTHENTICATION_FAILED (516)');
    await refused.close();
    await client.command({ query: `DROP TABLE ${database}.rule_hits` });
    const { source } = makeJournal(20);
    await expect(openSink(source).step()).rejects.toMatchObject({ name: 'AnalyticsRefused' });
    const gone = openServer({ url: 'http://127.0.0.1:1', database });
    const away = createClickHouseStore(gone.client, { database, place: 'server' });
    await expect(away.summary('default', 0, 10, 10)).rejects.toMatchObject({ name: 'AnalyticsUnavailable' });
    await away.close();
  });

  it('a read whose socket was just closed is asked again; one that breaks off or never ends is unavailable, in time', async () => {
    await front.faults({ kind: 'resetBefore', match: 'SELECT', times: 1 });
    expect((await store.summary('default', 0, 10, 10)).total).toBe(0);
    for (const kind of ['hang', 'status', 'delay'] as const) {
      await front.faults({ kind, match: 'SELECT', times: 1, ms: requestMs * 2 });
      const startedAtMs = performance.now();
      await expect(store.summary('default', 0, 10, 10)).rejects.toMatchObject({ name: 'AnalyticsUnavailable' });
      expect(performance.now() - startedAtMs).toBeLessThan(requestMs * 20);
    }
    await front.faults({ kind: 'brokenBody', match: 'SELECT', times: 2 });
    await expect(store.findDecisions({ tenantId: 'default', limit: 5 })).rejects.toMatchObject({
      name: 'AnalyticsUnavailable',
    });
  });

  it('no address holds what a payment holds, and ids as long as they may be fit in what a server takes', async () => {
    const ids = Array.from({ length: 2_100 }, (_, i) => `${String(i).padStart(5, '0')}${"'".repeat(123)}`);
    const rows = ids.map((paymentId, i) => {
      const record = makeRecord(seededRandom(i), i);
      const decision = JSON.parse(Buffer.from(record.decision).toString()) as Record<string, unknown>;
      return {
        featureNames,
        record: { ...record, paymentId, decision: Buffer.from(JSON.stringify({ ...decision, paymentId })) },
      };
    });
    await store.insertAgain({ token: 'long ids', rows, labels: [] });
    await store.findDecisions({ tenantId: 'default', customerId: 'CUSTOMER-1', limit: 1 });
    const seen = await front.seen();
    expect(seen.length).toBeGreaterThan(5);
    for (const { url } of seen) expect(decodeURIComponent(url)).not.toMatch(/CUSTOMER|'''|default/);
    const { total } = await store.summary('default', startMs, startMs + 1e8, 1e8);
    expect(total).toBe(ids.length);
  });
});

describe('the analytics process over a server', { timeout: 120_000 }, () => {
  it('sinks the journal into the server, answers from it, and tells nobody the password', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-remote-'));
    mkdirSync(join(dataDir, 'releases'));
    writeFileSync(join(dataDir, 'releases', `${releaseId}.json`), JSON.stringify({ featureNames }));
    const journal = openTestJournal(dataDir);
    const random = seededRandom(seed);
    journal.append(Array.from({ length: 300 }, (_, i) => makeRecord(random, i)));
    const entry = fileURLToPath(new URL('worker.ts', import.meta.url));
    const server = { url: front.url, ...front.login, database: 'by_child' };
    const child = startAnalyticsChild({ dataDir, sink: true, server }, entry);
    await child.ready(60_000);
    const endMs = performance.now() + 60_000;
    const total = async (): Promise<number> =>
      (await child.summary('default', startMs, startMs + 1e9, 1e9).catch(() => undefined))?.total ?? 0;
    while ((await total()) < 300) {
      if (performance.now() > endMs) throw new Error(`not caught up: ${JSON.stringify(child.state())}`);
      await delay(10);
    }
    if (process.platform === 'linux') {
      expect(readFileSync(`/proc/${child.state().pid}/cmdline`, 'utf8')).not.toContain(front.login.password);
      // The engine is not even loaded.
      expect(readFileSync(`/proc/${child.state().pid}/maps`, 'utf8')).not.toContain('libchdb');
    }
    await child.close();
    journal.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
});
