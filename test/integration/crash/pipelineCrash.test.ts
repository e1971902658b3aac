import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CrashBook, testSeed } from '../../helpers/crashPayments.ts';
import type { ChildAnswer } from '../../helpers/pipelineChild.ts';
import { checkJournal, verifyAnswers } from '../../helpers/journalOracle.ts';

const kills = 200;
const inFlightMax = 64;
/** A process lives this long under load before it is killed, at most. */
const lifeMsMax = 120;
const childFile = resolve(import.meta.dirname, '../../helpers/pipelineChild.ts');
const seed = testSeed();

let dataDirectory: string;
beforeAll(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'holdfast-crash-'));
});
afterAll(() => {
  rmSync(dataDirectory, { recursive: true, force: true });
});

async function start(): Promise<ChildProcess> {
  const child = fork(childFile, [dataDirectory], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [first] = (await once(child, 'message')) as [unknown];
  if (first !== 'ready') throw new Error('the child did not start');
  return child;
}

/** One life: what was open is sent again, then new payments, until it is killed in the middle. */
async function life(child: ChildProcess, book: CrashBook, lifeMs: number): Promise<void> {
  const dead = once(child, 'exit');
  let waiting = 0;
  const send = (number: number, body: string): void => {
    waiting++;
    child.send({ number, body }, () => {});
  };
  const fill = (): void => {
    while (waiting < inFlightMax && child.connected) {
      const { number, body } = book.issue();
      send(number, body);
    }
  };
  child.on('message', ({ number, kind, decision }: ChildAnswer) => {
    if (decision === undefined) throw new Error(`payment ${number} was answered ${kind}`);
    book.answer(number, decision);
    waiting--;
    fill();
  });
  for (const [number, body] of [...book.open]) send(number, body);
  fill();
  const timer = setTimeout(() => child.kill('SIGKILL'), lifeMs);
  await dead;
  clearTimeout(timer);
}

describe('kill -9 of the pipeline under load', () => {
  // Guarantee: whenever the process is killed, every answered payment has exactly the decision that was answered, no
  // payment has two, and every counter a decision was made on equals a naive count over the decisions before it.
  it(`loses and doubles nothing over ${kills} kills (seed ${seed})`, async () => {
    const book = new CrashBook(seed);
    for (let kill = 0; kill < kills; kill++) {
      const child = await start();
      await life(child, book, 1 + book.random.below(lifeMsMax));
    }
    const decisions = await checkJournal(dataDirectory);
    verifyAnswers(decisions, book.answered);
    expect(book.answered.size).toBeGreaterThan(kills);
    process.stdout.write(`seed ${seed}: ${kills} kills, ${book.answered.size} answered, ${decisions.size} decided\n`);
  }, 900_000);
});
