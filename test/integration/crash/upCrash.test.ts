import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CrashBook, testSeed } from '../../helpers/crashPayments.ts';
import { checkJournal, verifyAnswers } from '../../helpers/journalOracle.ts';

const kills = 24;
const senders = 16;
const lifeMsMax = 400;
const root = resolve(import.meta.dirname, '../../..');
const key = 'crash-test-key';
const seed = testSeed();

let dataDirectory: string;
beforeAll(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'holdfast-up-crash-'));
});
afterAll(() => {
  rmSync(dataDirectory, { recursive: true, force: true });
});

interface Up {
  readonly process: ChildProcessByStdio<null, Readable, null>;
  readonly address: string;
  readonly dead: Promise<unknown>;
}

async function startUp(): Promise<Up> {
  const child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), 'up', '--no-demo'], {
    cwd: root,
    env: {
      ...process.env,
      HOLDFAST_PORT: '0',
      HOLDFAST_DATA_DIR: dataDirectory,
      HOLDFAST_BOOTSTRAP_KEY: key,
      HOLDFAST_LOG_LEVEL: 'fatal',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const dead = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /http:\/\/[\d.]+:\d+/.exec(line)?.[0];
    if (address !== undefined) return { process: child, address, dead };
  }
  throw new Error('up ended before it listened');
}

/** One caller: sends one payment after another until the connection breaks. */
async function callUntilDead(
  up: Up,
  next: () => { number: number; body: string },
  book: CrashBook,
  onAnswer: () => void,
): Promise<void> {
  for (;;) {
    const { number, body } = next();
    try {
      const response = await fetch(`${up.address}/v1/decisions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'holdfast-deadline-ms': '5000' },
        body,
      });
      const text = await response.text();
      onAnswer();
      // 503 is a true answer too: nothing was decided, the payment stays open.
      if (response.status === 200) book.answer(number, text);
      else expect([200, 503, 429], text).toContain(response.status);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return;
    }
  }
}

describe('kill -9 of the whole process tree under HTTP load', () => {
  // Guarantee: what was answered over HTTP is recorded, once, byte for byte, whenever the process is killed; every
  // restart resumes the same data directory.
  it(`loses and doubles nothing over ${kills} kills (seed ${seed})`, async () => {
    const book = new CrashBook(seed);
    for (let kill = 0; kill < kills; kill++) {
      const up = await startUp();
      const again = [...book.open];
      const next = (): { number: number; body: string } => {
        const open = again.pop();
        return open === undefined ? book.issue() : { number: open[0], body: open[1] };
      };
      // The life is counted from its first answer, so that a slow start does not end it before it began.
      const lifeMs = book.random.below(lifeMsMax);
      let timer: NodeJS.Timeout | undefined;
      const onAnswer = (): void => {
        timer ??= setTimeout(() => up.process.kill('SIGKILL'), lifeMs);
      };
      await Promise.all([...Array.from({ length: senders }, () => callUntilDead(up, next, book, onAnswer)), up.dead]);
      clearTimeout(timer);
    }
    const decisions = await checkJournal(dataDirectory);
    verifyAnswers(decisions, book.answered);
    expect(book.answered.size).toBeGreaterThan(kills);
    process.stdout.write(`seed ${seed}: ${kills} kills, ${book.answered.size} answered, ${decisions.size} decided\n`);
  }, 600_000);
});
