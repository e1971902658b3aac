import { type ChildProcess, fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openJournalReader } from '../../../src/adapters/sqlite/reader.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { temporaryDirectory } from '../../helpers/embedded.ts';
import type { ChildMessage } from '../../helpers/journalChild.ts';
import { seededRandom } from '../../helpers/journalHistory.ts';

const rounds = Number(process.env.HOLDFAST_TEST_CRASH_ROUNDS ?? 40);
/** Rounds that write into one directory, one crash after another, before a fresh one is taken. */
const roundsPerDirectory = 10;
const seed = Number(process.env.HOLDFAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));

interface Acknowledged {
  readonly ids: Set<string>;
  position: number;
}

/** One life: starts, checks itself, writes, and is killed after `lifeMs` of writing. */
async function live(dataDir: string, lifeSeed: number, lifeMs: number, acknowledged: Acknowledged): Promise<number> {
  const child: ChildProcess = fork(resolve(import.meta.dirname, '../../helpers/journalChild.ts'), [
    dataDir,
    String(lifeSeed),
  ]);
  const ready = Promise.withResolvers<number>();
  const problems: string[] = [];
  const gone = new Promise<string>((settle) =>
    child.once('exit', (code, signal) => settle(signal ?? `exit code ${code}`)),
  );
  child.on('message', (message: ChildMessage) => {
    if (message.type === 'acknowledged') {
      for (const id of message.ids) acknowledged.ids.add(id);
      acknowledged.position = Math.max(acknowledged.position, message.position);
    } else if (message.type === 'problem') problems.push(message.text);
    else if (message.problems.length > 0) ready.reject(new Error(message.problems.join('\n')));
    else ready.resolve(message.rows);
  });
  void gone.then((how) => ready.reject(new Error(`the child ended by itself: ${how}`)));
  try {
    const rows = await ready.promise;
    await new Promise((settle) => setTimeout(settle, lifeMs));
    return rows;
  } finally {
    child.kill('SIGKILL');
    expect(await gone).toBe('SIGKILL');
    expect(problems).toEqual([]);
  }
}

function checkAcknowledged(dataDir: string, { ids, position }: Acknowledged): void {
  const reader = openJournalReader(dataDir);
  const recorded = new Map<string, number>();
  for (let from = 0; ; ) {
    const entries = reader.readDecisions(from, 1000);
    const last = entries.at(-1);
    if (last === undefined) break;
    from = last.seq + 1;
    for (const entry of entries) {
      if (entry.kind === 'decision')
        recorded.set(entry.record.paymentId, (recorded.get(entry.record.paymentId) ?? 0) + 1);
    }
  }
  const stored = reader.position('g', topics.payments);
  reader.close();
  expect([...ids].filter((id) => recorded.get(id) !== 1)).toEqual([]);
  expect([...recorded].filter(([, times]) => times !== 1)).toEqual([]);
  // A position may be durable without its acknowledgement having come through, never the other way round.
  expect(stored).toBeGreaterThanOrEqual(position);
}

// Whatever moment the process is killed at: every acknowledged decision is in the journal exactly once, the position
// came with it, and the velocity state after recovery is what the journal says, no payment missing and none counted twice.
test(`kill -9 loses nothing and counts nothing twice (${rounds} times, seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const random = seededRandom(seed);
  for (let round = 0; round < rounds; ) {
    const dataDir = await temporaryDirectory();
    const acknowledged: Acknowledged = { ids: new Set(), position: 0 };
    try {
      for (let i = 0; i <= roundsPerDirectory && round < rounds; i++, round++) {
        const lifeMs = Math.floor(random() ** 2 * 400);
        const rows = await live(dataDir, round * 1000 + (seed % 1000), lifeMs, acknowledged);
        expect(rows).toBeGreaterThanOrEqual(0);
        checkAcknowledged(dataDir, acknowledged);
      }
      expect(acknowledged.ids.size).toBeGreaterThan(0);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }
});
