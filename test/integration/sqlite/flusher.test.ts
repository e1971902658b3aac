/** The part of the embedded store that decides what may be stored when, with journal and state.db simulated in memory. */
import { expect, test } from 'vitest';
import { Flusher, type FlushTarget } from '../../../src/adapters/sqlite/flusher.ts';
import { replayJournal } from '../../../src/adapters/sqlite/recovery.ts';
import { StampLedger } from '../../../src/adapters/sqlite/stamps.ts';
import type { Flush } from '../../../src/adapters/sqlite/stateProtocol.ts';
import { unpackEntities } from '../../../src/adapters/sqlite/stateProtocol.ts';
import { createEmbeddedVelocity, LabelStamps } from '../../../src/adapters/sqlite/velocity.ts';
import type { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import type { DecisionRecord } from '../../../src/pipeline/ports.ts';
import type { JournalEntry } from '../../../src/pipeline/sink.ts';
import { ForgetfulMemory, keysOf } from '../../helpers/forgetfulMemory.ts';
import { paymentJson, seededRandom } from '../../helpers/journalHistory.ts';

type Row = JournalEntry & { readonly stamp: number };

/** What is on the simulated disk. */
class Disk {
  readonly rows: Row[] = [];
  readonly velocity = new Map<string, { stamp: number; bytes: Uint8Array }>();
  readonly meta = new Map<string, string>();

  append(
    entry:
      | { kind: 'decision'; record: DecisionRecord }
      | { kind: 'label'; label: Extract<JournalEntry, { kind: 'label' }>['label'] },
    stamp: number,
  ): number {
    const seq = this.rows.length + 1;
    this.rows.push({ ...entry, seq, stamp });
    return seq;
  }

  apply({ entities, meta }: Flush): void {
    for (const { key, bytes, stamp } of unpackEntities(entities)) {
      this.velocity.set(Buffer.from(key).toString(), { stamp, bytes: bytes.slice() });
    }
    for (const [name, value] of meta) this.meta.set(name, value);
  }
}

/** state.db, which stores or fails when the test says so. */
class SlowState implements FlushTarget {
  pending: { flush: Flush; resolve: (ms: number) => void; reject: (error: Error) => void } | undefined;

  run(message: Parameters<FlushTarget['run']>[0]): Promise<number> {
    if (message.type !== 'flush') return Promise.resolve(0);
    if (this.pending !== undefined) throw new Error('two flushes at one time');
    return new Promise((resolve, reject) => {
      this.pending = { flush: message, resolve, reject };
    });
  }

  /** Ends the flush under way, if there is one. */
  end(disk: Disk, success: boolean): void {
    const { pending } = this;
    this.pending = undefined;
    if (pending === undefined) return;
    if (success) {
      disk.apply(pending.flush);
      pending.resolve(0);
    } else pending.reject(new Error('no space left'));
  }
}

function recordOf(payment: Payment, json: Uint8Array): DecisionRecord {
  const empty = new Float64Array(0);
  const { paymentId, occurredAtMs } = payment;
  return {
    tenantId: 'default',
    paymentId,
    occurredAtMs,
    decision: json,
    payment: json,
    releaseId: '',
    features: empty,
    bounds: empty,
  };
}

/** What every entity must be: the journal counted from nothing, in the order of the journal. */
function truth(rows: readonly Row[]): Map<string, { count: number; sum: number; frauds: number }> {
  const frauds = new Map<string, boolean>();
  for (const row of rows) if (row.kind === 'label') frauds.set(row.label.paymentId, row.label.label === 'fraud');
  const counts = new Map<string, { count: number; sum: number; frauds: number }>();
  for (const row of rows) {
    if (row.kind !== 'decision') continue;
    const { payment } = paymentFrom(row.record.payment);
    for (const key of keysOf('default', payment)) {
      const entry = counts.get(key) ?? { count: 0, sum: 0, frauds: 0 };
      entry.count++;
      entry.sum += payment.amountMinor;
      if (frauds.get(payment.paymentId) === true) entry.frauds++;
      counts.set(key, entry);
    }
  }
  return counts;
}

const paymentFrom = (json: Uint8Array): ReturnType<typeof paymentJson> => {
  const { paymentId, amountMinor, customerId, cardId, terminalId } = JSON.parse(Buffer.from(json).toString()) as Record<
    string,
    string
  >;
  const number = (text: string | undefined): number => Number(text?.slice(1));
  return paymentJson(String(paymentId), number(customerId), number(cardId), number(terminalId), Number(amountMinor));
};

/** A crash at this moment: what recovery makes of the disk. */
async function recovered(disk: Disk): Promise<ForgetfulMemory> {
  const load = (key: Uint8Array): Uint8Array | undefined => disk.velocity.get(Buffer.from(key).toString())?.bytes;
  const memory = new ForgetfulMemory({ loadMissing: load, storedElsewhere: true }, 'kept');
  const records = new Map(
    disk.rows.flatMap((row) => (row.kind === 'decision' ? [[row.record.paymentId, row.record] as const] : [])),
  );
  await replayJournal({
    reader: {
      lastSeq: () => disk.rows.length,
      entries: (from, max) => disk.rows.slice(from - 1, from - 1 + max),
      stamps: (from, max) => disk.rows.slice(from - 1, from - 1 + max),
    },
    state: { stampOf: (key) => disk.velocity.get(Buffer.from(key).toString())?.stamp },
    index: { find: (_tenant, id) => records.get(id) },
    memory,
    checkpoint: Number(disk.meta.get('stamp') ?? 0),
    fromSeq: Number(disk.meta.get('replayFromSeq') ?? 1),
    onProgress: () => {},
  });
  return memory;
}

async function history(seed: number, steps: number): Promise<{ disk: Disk; checkpoints: number }> {
  const random = seededRandom(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const disk = new Disk();
  const state = new SlowState();
  const ledger = new StampLedger(0, 0, { stamp: 1, seq: 0 });
  const pace = { replayRowsAim: 30, flushRows: 4, flushIntervalMs: 0, tickMs: 1e6, retryAfterMs: 0 };
  let checkpoints = 0;
  const flusher = new Flusher({ pace, state, ledger, checkpoint: 0, replayFromSeq: 1, onIndexed: () => checkpoints++ });
  const load = (key: Uint8Array): Uint8Array | undefined =>
    flusher.copies.find(key) ?? disk.velocity.get(Buffer.from(key).toString())?.bytes;
  const memory = new ForgetfulMemory({ loadMissing: load, storedElsewhere: true }, 'kept');
  flusher.attach(memory);
  const labels = new LabelStamps(ledger);
  const velocity = createEmbeddedVelocity(memory, ledger, labels, flusher);
  const inFlight: ReturnType<typeof paymentJson>[][] = [];
  const recorded: Payment[] = [];
  let number = 0;
  let batch = 0;

  function recordBatch(made: ReturnType<typeof paymentJson>[]): void {
    const kept = random() < 0.1 ? [] : made.filter(() => random() < 0.85);
    for (const { payment, json } of made) {
      if (kept.some((other) => other.payment === payment)) {
        const stamp = ledger.stampOf('default', payment.paymentId);
        ledger.durable(disk.append({ kind: 'decision', record: recordOf(payment, json) }, stamp));
        ledger.settlePayment('default', payment.paymentId);
        recorded.push(payment);
      }
    }
    flusher.recorded(kept.length);
    for (const { payment } of made)
      if (!kept.some((other) => other.payment === payment)) velocity.retract('default', payment);
  }

  async function label(): Promise<void> {
    const payment = recorded[pick(recorded.length)];
    if (payment === undefined) return;
    const mine = ++batch;
    const before = lastLabel(disk, payment.paymentId);
    const value = pick(2) === 0;
    await velocity.markLabel('default', payment, value, mine);
    if (random() < 0.5 && inFlight.length > 0)
      recordBatch(inFlight.splice(pick(inFlight.length), 1)[0] as ReturnType<typeof paymentJson>[]);
    if (random() < 0.5) {
      labels.failed(mine);
      await velocity.markLabel('default', payment, before, mine);
      return;
    }
    const stamp = labels.stampOf('default', payment.paymentId, mine);
    const row = {
      tenantId: 'default',
      paymentId: payment.paymentId,
      label: value ? 'fraud' : 'legitimate',
      source: 'analyst',
      labelledAtMs: mine,
    } as const;
    ledger.durable(disk.append({ kind: 'label', label: row }, stamp));
    labels.recorded(mine);
    flusher.recorded(1);
  }

  for (let step = 0; step < steps; step++) {
    const dice = random();
    if (dice < 0.35 && inFlight.length < 5) {
      const made = Array.from({ length: 1 + pick(5) }, () =>
        paymentJson(`p${number++}`, pick(4), pick(9), pick(2), pick(1000)),
      );
      await velocity.appendAndRead(
        'default',
        made.map(({ payment }) => payment),
        createFeatureMatrix(2, made.length),
        ++batch,
      );
      inFlight.push(made);
    } else if (dice < 0.7 && inFlight.length > 0) {
      recordBatch(inFlight.splice(pick(inFlight.length), 1)[0] as ReturnType<typeof paymentJson>[]);
    } else if (dice < 0.85) await label();
    else state.end(disk, random() < 0.8);
    await new Promise((resolve) => setImmediate(resolve));
    if (random() < 0.3) await check(disk, seed, step);
  }
  await check(disk, seed, steps);
  for (const made of inFlight) recordBatch(made);
  await finish(flusher, state, disk);
  return { disk, checkpoints };
}

async function finish(flusher: Flusher, state: SlowState, disk: Disk): Promise<void> {
  const progress = { closed: false };
  const closing = flusher.close().then(() => {
    progress.closed = true;
  });
  while (!progress.closed) {
    state.end(disk, true);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closing;
}

function lastLabel(disk: Disk, paymentId: string): boolean {
  const row = disk.rows.findLast((each) => each.kind === 'label' && each.label.paymentId === paymentId);
  return row?.kind === 'label' && row.label.label === 'fraud';
}

async function check(disk: Disk, seed: number, step: number): Promise<void> {
  const memory = await recovered(disk);
  for (const [key, counts] of truth(disk.rows))
    expect(memory.counts(key), `${key}, seed ${seed}, step ${step}`).toEqual(counts);
}

// Batches overtake each other, rows expire, records fail, labels fail and are taken back, flushes fail, entities are
// evicted: wherever the process dies, replaying the journal onto what was stored gives what the journal says.
test('whatever moment the process dies at, what is stored and the journal give the truth', {
  timeout: 120_000,
}, async () => {
  const first = Number(process.env.HOLDFAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));
  let checkpoints = 0;
  for (let seed = first; seed < first + 150; seed++) checkpoints += (await history(seed, 150)).checkpoints;
  expect(checkpoints).toBeGreaterThan(1000);
});

test('after a clean stop there is nothing to replay', async () => {
  const { disk } = await history(4711, 200);
  expect(disk.meta.get('clean')).toBe('1');
  expect(disk.rows.filter(({ stamp }) => stamp > Number(disk.meta.get('stamp')))).toEqual([]);
  await check(disk, 4711, -1);
});
