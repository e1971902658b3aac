import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../src/simulator/random.ts';
import type { ChildAnswer } from '../../helpers/pipelineChild.ts';
import { checkJournal, verifyAnswers } from '../../helpers/journalOracle.ts';

const kills = 200;
const inFlightMax = 64;
/** A process lives this long under load before it is killed, at most. */
const lifeMsMax = 120;
const customers = 40;
const childFile = resolve(import.meta.dirname, '../../helpers/pipelineChild.ts');
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);

let dataDirectory: string;
beforeAll(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'holdfast-crash-'));
});
afterAll(() => {
  rmSync(dataDirectory, { recursive: true, force: true });
});

interface Sender {
  readonly answered: Map<string, string>;
  /** Sent and never answered: they may have a decision or not, and are sent again. */
  readonly open: Map<number, string>;
  next: number;
}

function payment(random: Random, number: number): string {
  const customer = random.below(customers);
  return JSON.stringify({
    paymentId: `crash-${number}`,
    // Now and then late, now and then at the same moment as others.
    occurredAt: new Date(Date.now() - random.below(5) * 250 - (random.below(20) === 0 ? 600_000 : 0)).toISOString(),
    amountMinor: 100 + random.below(10_000),
    currency: 'EUR',
    customerId: `c-${customer}`,
    cardId: `card-${customer}`,
    terminalId: `t-${random.below(10)}`,
  });
}

async function start(): Promise<ChildProcess> {
  const child = fork(childFile, [dataDirectory], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [first] = (await once(child, 'message')) as [unknown];
  if (first !== 'ready') throw new Error('the child did not start');
  return child;
}

/** One life: what was open is sent again, then new payments, until it is killed in the middle. */
async function life(child: ChildProcess, sender: Sender, random: Random, lifeMs: number): Promise<void> {
  const dead = once(child, 'exit');
  const waiting = new Map(sender.open);
  const send = (number: number, body: string): void => {
    waiting.set(number, body);
    sender.open.set(number, body);
    child.send({ number, body }, () => {});
  };
  const fill = (): void => {
    while (waiting.size < inFlightMax && child.connected) {
      const number = sender.next++;
      send(number, payment(random, number));
    }
  };
  child.on('message', (answer: ChildAnswer) => {
    if (answer.decision === undefined) throw new Error(`payment ${answer.number} was answered ${answer.kind}`);
    const body = JSON.parse(sender.open.get(answer.number) ?? '{}') as { paymentId: string };
    sender.answered.set(body.paymentId, answer.decision);
    sender.open.delete(answer.number);
    waiting.delete(answer.number);
    fill();
  });
  for (const [number, body] of [...sender.open]) send(number, body);
  fill();
  const timer = setTimeout(() => child.kill('SIGKILL'), lifeMs);
  await dead;
  clearTimeout(timer);
}

describe('kill -9 of the pipeline under load', () => {
  // Guarantee: whenever the process is killed, every answered payment has exactly the decision that was answered, no
  // payment has two, and every counter a decision was made on equals a naive count over the decisions before it.
  it(`loses and doubles nothing over ${kills} kills (seed ${seed})`, async () => {
    const random = new Random(seed);
    const sender: Sender = { answered: new Map(), open: new Map(), next: 0 };
    for (let kill = 0; kill < kills; kill++) {
      const child = await start();
      await life(child, sender, random, 1 + random.below(lifeMsMax));
    }
    const decisions = await checkJournal(dataDirectory);
    verifyAnswers(decisions, sender.answered);
    expect(sender.answered.size).toBeGreaterThan(kills);
    process.stdout.write(`seed ${seed}: ${kills} kills, ${sender.answered.size} answered, ${decisions.size} decided\n`);
  }, 900_000);
});
