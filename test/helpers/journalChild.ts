/**
 * Writes random histories through the embedded store until it is killed, with its seed from the command line: batches that
 * overtake each other, rows that expire, labels. Tells its parent every acknowledgement. Before it starts it holds what
 * it finds against a recount of the journal.
 */
import { openEmbedded } from '../../src/adapters/sqlite/open.ts';
import { openJournalReader } from '../../src/adapters/sqlite/reader.ts';
import type { Payment } from '../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../src/features/frame.ts';
import type { DecisionRecord } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';
import { ForgetfulMemory } from './forgetfulMemory.ts';
import { paymentJson, recount, seededRandom } from './journalHistory.ts';

const [dataDir, seedText] = process.argv.slice(2);
if (dataDir === undefined || seedText === undefined) throw new Error('usage: journalChild.ts DATA_DIR SEED');
const random = seededRandom(Number(seedText));
const pick = (n: number): number => Math.floor(random() * n);
const inFlightMax = 6;
const batchRowsMax = 40;

export type ChildMessage =
  | { readonly type: 'ready'; readonly problems: readonly string[]; readonly rows: number }
  | { readonly type: 'problem'; readonly text: string }
  | { readonly type: 'acknowledged'; readonly ids: readonly string[]; readonly position: number };

const send = (message: ChildMessage): void => void process.send?.(message);

const embedded = await openEmbedded(dataDir, {
  pace: { replayRowsAim: 300, flushRows: 60, flushIntervalMs: 20, tickMs: 5, retryAfterMs: 50 },
});
let memory: ForgetfulMemory | undefined;
const velocity = await embedded.velocity((hooks) => (memory = new ForgetfulMemory(hooks)));
const { problems, payments, entities } = recount(dataDir);
for (const [key, counts] of entities) {
  const seen = JSON.stringify(memory?.counts(key));
  if (seen !== JSON.stringify(counts)) problems.push(`${key}: ${seen}, should be ${JSON.stringify(counts)}`);
}
const reader = openJournalReader(dataDir);
const lastCommitted = reader.position('g', topics.payments);
reader.close();
send({ type: 'ready', problems: problems.slice(0, 5), rows: payments.length });

let number = 0;
let batch = 0;
let position = lastCommitted;
const known = [...payments];

function makePayment(): { payment: Payment; json: Uint8Array } {
  return paymentJson(`p-${seedText}-${number++}`, pick(12), pick(30), pick(4), pick(100_000));
}

function toRecord({ payment, json }: ReturnType<typeof makePayment>): DecisionRecord {
  return {
    tenantId: 'default',
    paymentId: payment.paymentId,
    occurredAtMs: payment.occurredAtMs,
    decision: Buffer.from(JSON.stringify({ decisionId: payment.paymentId })),
    payment: json,
    releaseId: 'cd'.repeat(32),
    features: Float64Array.of(1, 2),
    bounds: new Float64Array(2),
  };
}

async function oneBatch(): Promise<void> {
  const made = Array.from({ length: 1 + pick(batchRowsMax) }, makePayment);
  const mine = ++batch;
  const list = made.map(({ payment }) => payment);
  await velocity.appendAndRead('default', list, createFeatureMatrix(2, list.length), mine);
  // Scoring takes as long as it takes: batches overtake each other here.
  for (let turns = pick(4); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  const deadlines = made.map(() => (pick(15) === 0 ? performance.now() - 1 : Number.POSITIVE_INFINITY));
  const nextOffset = (position += list.length);
  const commits = [{ group: 'g', topic: topics.payments, partition: 0, nextOffset }];
  const outcomes = await embedded.decisions.record(made.map(toRecord), deadlines, mine, commits);
  const ids: string[] = [];
  outcomes.forEach(({ status }, i) => {
    const payment = list[i] as Payment;
    if (status === 'expired') velocity.retract('default', payment);
    else {
      ids.push(payment.paymentId);
      known.push(payment);
    }
  });
  send({ type: 'acknowledged', ids, position: nextOffset });
}

/** Payments that were decided before, in this life or an earlier one, are known and keep their decision. */
async function repeatKnown(): Promise<void> {
  const some = Array.from({ length: 5 }, () => known[pick(known.length)]).filter((payment) => payment !== undefined);
  const ids = some.map(({ paymentId }) => paymentId);
  const found = await embedded.decisions.lookup('default', ids);
  const records = some.map((payment) => ({
    ...toRecord({ payment, json: new Uint8Array(1) }),
    releaseId: 'ef'.repeat(32),
  }));
  const outcomes = await embedded.decisions.record(
    records,
    records.map(() => Number.POSITIVE_INFINITY),
    ++batch,
    [],
  );
  outcomes.forEach(({ status, winner }, i) => {
    const right = status === 'existing' && winner?.paymentId === ids[i] && found[i]?.paymentId === ids[i];
    if (!right) send({ type: 'problem', text: `${ids[i]} was decided and is now ${status}` });
  });
}

async function oneLabel(): Promise<void> {
  const payment = known[pick(known.length)];
  if (payment === undefined) return;
  const fraud = pick(2) === 0;
  const mine = ++batch;
  await velocity.markLabel('default', payment, fraud, mine);
  await new Promise((resolve) => setImmediate(resolve));
  const label = {
    paymentId: payment.paymentId,
    label: fraud ? 'fraud' : 'legitimate',
    source: 'analyst',
    labelledAtMs: mine,
  } as const;
  await embedded.decisions.recordLabels('default', [{ ...label, labelledAtMs: Date.now() * 1000 + mine }], mine);
}

let labelTurn: Promise<void> = Promise.resolve();
const running = new Set<Promise<void>>();
for (;;) {
  const work = oneBatch().finally(() => running.delete(work));
  running.add(work);
  if (pick(6) === 0) await repeatKnown();
  if (pick(4) === 0) labelTurn = labelTurn.then(oneLabel);
  if (running.size >= inFlightMax) await Promise.race(running);
  if (pick(10) === 0) await new Promise((resolve) => setTimeout(resolve, pick(8)));
}
