import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultPace } from '../../../src/adapters/sqlite/flusher.ts';
import {
  DataDirectoryInUse,
  JournalWriteFailed,
  openEmbedded,
  SchemaTooNew,
} from '../../../src/adapters/sqlite/open.ts';
import { openJournalReader } from '../../../src/adapters/sqlite/reader.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import type { DecisionRecord, VelocityStore } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { noDeadlines, recordOf } from '../../conformance/records.ts';
import { type EmbeddedUnderTest, makeEmbedded, temporaryDirectory } from '../../helpers/embedded.ts';
import { ForgetfulMemory } from '../../helpers/forgetfulMemory.ts';
import type { ChildMessage } from '../../helpers/journalChild.ts';
import { paymentJson, recount } from '../../helpers/journalHistory.ts';
import { readAll } from '../../helpers/messages.ts';

const directories: string[] = [];
async function directory(): Promise<string> {
  const made = await temporaryDirectory();
  directories.push(made);
  return made;
}
afterEach(async () => {
  for (const each of directories.splice(0)) await rm(each, { recursive: true, force: true });
});

describe('one process a directory', () => {
  test('a second opening fails with one sentence that names the holder, and changes nothing', async () => {
    const dataDir = await directory();
    const first = await openEmbedded(dataDir);
    await expect(openEmbedded(dataDir)).rejects.toThrow(DataDirectoryInUse);
    await expect(openEmbedded(dataDir)).rejects.toThrow(
      `Another Holdfast (process ${process.pid}) is using the data directory`,
    );
    const records = [recordOf('a')];
    expect((await first.decisions.record(records, noDeadlines(records), 1, []))[0]?.status).toBe('recorded');
    await first.close();
    const again = await openEmbedded(dataDir);
    await again.close();
  });

  test('a process that was killed holds nothing', { timeout: 60_000 }, async () => {
    const dataDir = await directory();
    const child = fork(resolve(import.meta.dirname, '../../helpers/journalChild.ts'), [dataDir, '1']);
    for (let acknowledged = false; !acknowledged; ) {
      const [message] = (await once(child, 'message')) as [ChildMessage];
      acknowledged = message.type === 'acknowledged' && message.ids.length > 0;
    }
    await expect(openEmbedded(dataDir)).rejects.toThrow(`process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const after = await openEmbedded(dataDir);
    expect(after.cleanStart).toBe(false);
    await after.close();
  });
});

test('a directory of a newer version is refused and left alone', async () => {
  const dataDir = await directory();
  await (await openEmbedded(dataDir)).close();
  const db = new DatabaseSync(join(dataDir, 'journal.db'));
  db.exec('PRAGMA user_version = 99');
  db.close();
  await expect(openEmbedded(dataDir)).rejects.toThrow(SchemaTooNew);
  // The refusal gave the lock back.
  await expect(openEmbedded(dataDir)).rejects.toThrow('schema version 99');
});

describe('a full disk', () => {
  test('rejects what it cannot write, with nothing of it written, and the store goes on', async () => {
    const dataDir = await directory();
    const embedded = await openEmbedded(dataDir, { journalPagesMax: 60 });
    const batchOf = (from: number): DecisionRecord[] =>
      Array.from({ length: 40 }, (_, i) => recordOf(`p${from + i}`, { variant: 'x'.repeat(400) }));
    const recorded: string[] = [];
    let failures = 0;
    for (let from = 0; failures < 3; from += 40) {
      const records = batchOf(from);
      const commits = [{ group: 'g', topic: topics.payments, partition: 0, nextOffset: from + 40 }];
      try {
        await embedded.decisions.record(records, noDeadlines(records), from, commits);
        recorded.push(...records.map(({ paymentId }) => paymentId));
      } catch (error) {
        expect(error).toBeInstanceOf(JournalWriteFailed);
        expect((error as JournalWriteFailed).code).toBe('SQLITE_13');
        failures++;
        const ids = records.map(({ paymentId }) => paymentId);
        expect((await embedded.decisions.lookup('default', ids)).every((found) => found === undefined)).toBe(true);
      }
    }
    await expect(embedded.log.append(topics.payments, [{ key: 'k', value: new Uint8Array(200_000) }])).rejects.toThrow(
      JournalWriteFailed,
    );
    expect(await readAll(embedded.log, topics.payments)).toEqual([]);
    await embedded.close();
    const larger = await openEmbedded(dataDir);
    const messages = await readAll(larger.log, topics.decisions);
    expect(messages.map(({ key }) => key)).toEqual(recorded);
    const records = batchOf(1_000_000);
    expect((await larger.decisions.record(records, noDeadlines(records), 1, []))[0]?.status).toBe('recorded');
    await larger.close();
  });
});

test('more than the queue holds waits for its turn, in order, and none is lost', { timeout: 60_000 }, async () => {
  const dataDir = await directory();
  const embedded = await openEmbedded(dataDir);
  const value = new Uint8Array(1_000_000);
  let depthMax = 0;
  const appends = Array.from({ length: 60 }, (_, i) => {
    const appended = embedded.log.append(topics.payments, [{ key: String(i), value }]);
    depthMax = Math.max(depthMax, embedded.stats().queuedBytes);
    return appended;
  });
  expect(depthMax).toBeLessThan(33 * 1024 * 1024);
  expect(embedded.stats().queueDepth).toBe(60);
  await Promise.all(appends);
  const messages = await readAll(embedded.log, topics.payments);
  expect(messages.map(({ key }) => key)).toEqual(Array.from({ length: 60 }, (_, i) => String(i)));
  await expect(embedded.log.append(topics.payments, [{ key: 'k', value: new Uint8Array(20_000_000) }])).rejects.toThrow(
    RangeError,
  );
  await embedded.close();
  await expect(embedded.log.append(topics.payments, [{ key: 'k', value: new Uint8Array(1) }])).rejects.toThrow(
    'the journal',
  );
});

test('while the filter of ids is filled and replaced by larger ones, no id is ever taken for unknown', {
  timeout: 60_000,
}, async () => {
  const dataDir = await directory();
  const options = { filterBytesLeast: 256, pace: { ...defaultPace, flushRows: 200 } };
  let number = 0;
  for (let life = 0; life < 3; life++) {
    const embedded = await openEmbedded(dataDir, options);
    const check = async (): Promise<void> => {
      const ids = Array.from({ length: number }, (_, i) => `p${i}`);
      const found = await embedded.decisions.lookup('default', ids);
      expect(found.findIndex((record) => record === undefined)).toBe(-1);
    };
    await check();
    for (let round = 0; round < 10; round++) {
      const calls = Array.from({ length: 4 }, () => Array.from({ length: 50 }, () => recordOf(`p${number++}`)));
      await Promise.all(
        calls.map(async (records) => {
          // The second comes while the first is on its way: the thread must know the ids without the filter's help.
          const [first, second] = await Promise.all([
            embedded.decisions.record(records, noDeadlines(records), 1, []),
            embedded.decisions.record(records, noDeadlines(records), 2, []),
          ]);
          expect(first.every(({ status }) => status === 'recorded')).toBe(true);
          expect(second.every(({ status }) => status === 'existing')).toBe(true);
        }),
      );
      await check();
    }
    await embedded.close();
  }
});

describe('velocity', () => {
  let under: EmbeddedUnderTest;
  let memory: ForgetfulMemory | undefined;
  let velocity: VelocityStore;
  let batch = 0;
  const pace = { ...defaultPace, flushRows: 50, replayRowsAim: 200 };
  beforeEach(async () => {
    under = await makeEmbedded({ pace });
    await attach('one');
  });
  afterEach(() => under.dispose());

  async function attach(fingerprint: string): Promise<number> {
    let replayed = 0;
    velocity = await under.embedded.velocity(
      (hooks) => (memory = new ForgetfulMemory(hooks, fingerprint)),
      (progress) => (replayed = progress.replayed),
    );
    return replayed;
  }

  async function recordMany(from: number, to: number): Promise<void> {
    for (let i = from; i < to; i += 25) {
      const made = Array.from({ length: 25 }, (_, k) =>
        paymentJson(`p${i + k}`, (i + k) % 7, (i + k) % 40, (i + k) % 3, i + k),
      );
      await velocity.appendAndRead(
        'default',
        made.map(({ payment }) => payment),
        createFeatureMatrix(2, 25),
        ++batch,
      );
      const records = made.map(({ payment, json }) => ({ ...recordOf(payment.paymentId), payment: json }));
      await under.decisions.record(records, noDeadlines(records), batch, []);
    }
  }

  function expectTruth(): void {
    const { entities, problems } = recount(under.dataDir);
    expect(problems).toEqual([]);
    for (const [key, counts] of entities) expect(memory?.counts(key), key).toEqual(counts);
  }

  test('after a clean stop everything is loaded as it was, with nothing to replay', async () => {
    await recordMany(0, 500);
    under = await under.reopen();
    expect(under.embedded.cleanStart).toBe(true);
    expect(await attach('one')).toBe(0);
    expectTruth();
    expect(under.embedded.stats().checkpointLagRows).toBe(0);
  });

  test('state of another shape is thrown away and rebuilt from the whole journal, and kept from then on', async () => {
    await recordMany(0, 500);
    under = await under.reopen();
    expect(await attach('two')).toBe(500);
    expectTruth();
    await recordMany(500, 600);
    under = await under.reopen();
    expect(await attach('two')).toBe(0);
    expectTruth();
  });

  test('state.db is derived: without it a start takes longer and knows the same', async () => {
    await recordMany(0, 500);
    await under.embedded.close();
    for (const file of await readdir(under.dataDir))
      if (file.startsWith('state.db')) await rm(join(under.dataDir, file));
    under = await under.reopen();
    expect(await attach('one')).toBe(500);
    expectTruth();
    const again = [recordOf('p0'), recordOf('p499')];
    const outcomes = await under.decisions.record(again, noDeadlines(again), 1, []);
    expect(outcomes.map(({ status }) => status)).toEqual(['existing', 'existing']);
  });

  test('a state.db that knows more than the journal belongs to another one, and is made anew', async () => {
    await recordMany(0, 100);
    await under.embedded.close();
    for (const file of await readdir(under.dataDir))
      if (file.startsWith('journal.db')) await rm(join(under.dataDir, file));
    under = await under.reopen();
    await attach('one');
    expect(await under.decisions.lookup('default', ['p0'])).toEqual([undefined]);
    await recordMany(0, 100);
    expectTruth();
  });

  test('what must be replayed after a crash stays bounded while it runs', async () => {
    let lagMax = 0;
    for (let from = 0; from < 3000; from += 100) {
      await recordMany(from, from + 100);
      lagMax = Math.max(lagMax, under.embedded.stats().checkpointLagRows);
    }
    expect(lagMax).toBeGreaterThan(0);
    expect(lagMax).toBeLessThan(2000);
    expect(under.embedded.stats()).toMatchObject({ openStamps: 0, lastError: undefined });
  });

  test('another process reads decisions and labels in their order while this one writes', async () => {
    await recordMany(0, 50);
    const reader = openJournalReader(under.dataDir);
    expect(reader.lastSeq()).toBe(50);
    await under.decisions.recordLabels(
      'default',
      [{ paymentId: 'p3', label: 'fraud', source: 'analyst', labelledAtMs: 5 }],
      ++batch,
    );
    await recordMany(50, 75);
    const entries = reader.readDecisions(49, 100);
    expect(entries.map(({ seq, kind }) => `${seq} ${kind}`).slice(0, 4)).toEqual([
      '49 decision',
      '50 decision',
      '51 label',
      '52 decision',
    ]);
    expect(entries.at(-1)?.seq).toBe(reader.lastSeq());
    reader.close();
  });
});
