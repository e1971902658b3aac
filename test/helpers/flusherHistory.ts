/**
 * Random histories of the part of the embedded store that decides what may be stored when, with journal and state.db in
 * memory: batches overtake each other, rows expire, records fail, labels fail and are taken back, flushes fail, the
 * process dies and starts again. Everything follows from the seed.
 */
import { readCheckpoint } from '../../src/adapters/sqlite/checkpoint.ts';
import { Flusher, type FlushTarget } from '../../src/adapters/sqlite/flusher.ts';
import type { StorageHooks } from '../../src/adapters/sqlite/open.ts';
import { replayJournal } from '../../src/adapters/sqlite/recovery.ts';
import { StampLedger } from '../../src/adapters/sqlite/stamps.ts';
import type { Flush } from '../../src/adapters/sqlite/stateProtocol.ts';
import { unpackEntities } from '../../src/adapters/sqlite/stateProtocol.ts';
import { createEmbeddedVelocity, LabelStamps } from '../../src/adapters/sqlite/velocity.ts';
import type { Payment } from '../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../src/features/frame.ts';
import type { VelocityMemory } from '../../src/features/types.ts';
import type { VelocityStore } from '../../src/pipeline/ports.ts';
import type { JournalEntry } from '../../src/pipeline/sink.ts';
import { type Counts, keysOf } from './forgetfulMemory.ts';
import { decodePayment, paymentJson, seededRandom } from './journalHistory.ts';

type Row = JournalEntry & { readonly stamp: number };
type Made = ReturnType<typeof paymentJson>;
export type MakeMemory = (hooks: StorageHooks) => VelocityMemory;

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** What survives the process. */
export class Disk {
  readonly rows: Row[] = [];
  readonly velocity = new Map<string, { stamp: number; bytes: Uint8Array }>();
  readonly meta = new Map<string, string>();

  decision({ payment, json }: Made, stamp: number): number {
    const empty = new Float64Array(0);
    const { paymentId, occurredAtMs } = payment;
    const both = { tenantId: 'default', paymentId, occurredAtMs, decision: json, payment: json };
    const record = { ...both, releaseId: '', features: empty, bounds: empty };
    return this.rows.push({ kind: 'decision', record, seq: this.rows.length + 1, stamp });
  }

  label(paymentId: string, fraud: boolean, stamp: number): number {
    const value = fraud ? 'fraud' : 'legitimate';
    const label = { tenantId: 'default', paymentId, label: value, source: 'analyst', labelledAtMs: stamp } as const;
    return this.rows.push({ kind: 'label', label, seq: this.rows.length + 1, stamp });
  }

  lastLabel(paymentId: string): boolean {
    const row = this.rows.findLast((each) => each.kind === 'label' && each.label.paymentId === paymentId);
    return row?.kind === 'label' && row.label.label === 'fraud';
  }

  apply({ entities, meta }: Flush): void {
    for (const { key, bytes, stamp } of unpackEntities(entities)) {
      this.velocity.set(textOf(key), { stamp, bytes: bytes.slice() });
    }
    for (const [name, value] of meta) this.meta.set(name, value);
  }

  checkpoint(): ReturnType<typeof readCheckpoint> {
    return readCheckpoint((name) => this.meta.get(name));
  }

  payments(): Payment[] {
    return this.rows.flatMap((row) => (row.kind === 'decision' ? [decodePayment(row.record.payment)] : []));
  }

  /** What every entity must be: the journal counted from nothing. */
  truth(): Map<string, Counts> {
    const counts = new Map<string, Counts>();
    for (const payment of this.payments()) {
      const fraud = this.lastLabel(payment.paymentId) ? 1 : 0;
      for (const key of keysOf('default', payment)) {
        const { count, sum, frauds } = counts.get(key) ?? { count: 0, sum: 0, frauds: 0 };
        counts.set(key, { count: count + 1, sum: sum + payment.amountMinor, frauds: frauds + fraud });
      }
    }
    return counts;
  }

  /** What a start makes of it. */
  async recover(make: MakeMemory, loadMissing = this.load): Promise<VelocityMemory> {
    const memory = make({ loadMissing, storedElsewhere: true });
    const records = new Map(
      this.rows.flatMap((row) => (row.kind === 'decision' ? [[row.record.paymentId, row.record] as const] : [])),
    );
    const rows = (from: number, max: number): Row[] => this.rows.slice(from - 1, from - 1 + max);
    const { stamp, replayFromSeq } = this.checkpoint();
    await replayJournal({
      reader: { lastSeq: () => this.rows.length, entries: rows, stamps: rows },
      state: { stampOf: (key) => this.velocity.get(textOf(key))?.stamp },
      index: { find: (_tenant, id) => records.get(id) },
      memory,
      checkpoint: stamp,
      fromSeq: replayFromSeq,
      onProgress: () => {},
    });
    return memory;
  }

  readonly load = (key: Uint8Array): Uint8Array | undefined => this.velocity.get(textOf(key))?.bytes;
}

/** state.db, which stores or fails when the history says so. */
class SlowState implements FlushTarget {
  #pending: { flush: Flush; resolve: (ms: number) => void; reject: (error: Error) => void } | undefined;

  run(message: Parameters<FlushTarget['run']>[0]): Promise<number> {
    if (message.type !== 'flush') return Promise.resolve(0);
    if (this.#pending !== undefined) throw new Error('two flushes at one time');
    return new Promise((resolve, reject) => {
      this.#pending = { flush: message, resolve, reject };
    });
  }

  /** Ends the flush under way, if there is one. */
  end(disk: Disk, success: boolean): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    if (success) {
      disk.apply(pending.flush);
      pending.resolve(0);
    } else pending.reject(new Error('no space left'));
  }
}

const pace = { replayRowsAim: 30, flushRows: 4, flushIntervalMs: 0, tickMs: 1e6, retryAfterMs: 0 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One life of the process, from start to death or a clean stop. */
class Life {
  readonly #disk: Disk;
  readonly #random: () => number;
  readonly #state = new SlowState();
  readonly #ledger: StampLedger;
  readonly #flusher: Flusher;
  readonly #labels: LabelStamps;
  readonly #inFlight: Made[][] = [];
  #velocity: VelocityStore | undefined;
  #number = 0;
  #batch = 0;
  flushes = 0;

  constructor(disk: Disk, random: () => number) {
    this.#disk = disk;
    this.#random = random;
    const checkpoint = disk.checkpoint();
    const newest = disk.rows.reduce((max, { stamp }) => Math.max(max, stamp), 0);
    this.#ledger = new StampLedger(checkpoint, newest, disk.rows.length);
    const onIndexed = (): void => {
      this.flushes++;
    };
    this.#flusher = new Flusher({ pace, state: this.#state, ledger: this.#ledger, checkpoint, onIndexed });
    this.#labels = new LabelStamps(this.#ledger);
  }

  async start(make: MakeMemory): Promise<void> {
    const load = (key: Uint8Array): Uint8Array | undefined => this.#flusher.copies.find(key) ?? this.#disk.load(key);
    const memory = await this.#disk.recover(make, load);
    this.#flusher.attach(memory);
    this.#velocity = createEmbeddedVelocity(memory, this.#ledger, this.#labels, this.#flusher);
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.35 && this.#inFlight.length < 5) await this.#append();
    else if (dice < 0.7) this.#recordAny();
    else if (dice < 0.85) await this.#label();
    else this.#state.end(this.#disk, this.#random() < 0.8);
    await turn();
  }

  async stop(): Promise<void> {
    while (this.#inFlight.length > 0) this.#recordAny();
    const progress = { closed: false };
    const closing = this.#flusher.close().then(() => {
      progress.closed = true;
    });
    while (!progress.closed) {
      this.#state.end(this.#disk, true);
      await turn();
    }
    await closing;
  }

  #pick(n: number): number {
    return Math.floor(this.#random() * n);
  }

  get #store(): VelocityStore {
    if (this.#velocity === undefined) throw new Error('not started');
    return this.#velocity;
  }

  async #append(): Promise<void> {
    const made = Array.from({ length: 1 + this.#pick(5) }, () => {
      const id = `p${this.#disk.rows.length}-${this.#number++}-${this.#pick(1e6)}`;
      return paymentJson(id, this.#pick(4), this.#pick(9), this.#pick(2), this.#pick(1000), this.#pick(50));
    });
    const payments = made.map(({ payment }) => payment);
    await this.#store.appendAndRead('default', payments, createFeatureMatrix(64, made.length), ++this.#batch);
    this.#inFlight.push(made);
  }

  #recordAny(): void {
    const [made] = this.#inFlight.splice(this.#pick(this.#inFlight.length), 1);
    if (made === undefined) return;
    const kept = new Set(this.#random() < 0.1 ? [] : made.filter(() => this.#random() < 0.85));
    for (const each of kept) {
      const { paymentId } = each.payment;
      this.#ledger.durable(this.#disk.decision(each, this.#ledger.stampOf('default', paymentId)));
      this.#ledger.settlePayment('default', paymentId);
    }
    this.#flusher.recorded(kept.size);
    for (const each of made) if (!kept.has(each)) this.#store.retract('default', each.payment);
  }

  async #label(): Promise<void> {
    const payments = this.#disk.payments();
    const payment = payments[this.#pick(payments.length)];
    if (payment === undefined) return;
    const { paymentId } = payment;
    const mine = ++this.#batch;
    const before = this.#disk.lastLabel(paymentId);
    const fraud = this.#pick(2) === 0;
    await this.#store.markLabel('default', payment, fraud, mine);
    if (this.#random() < 0.5) this.#recordAny();
    if (this.#random() < 0.5) {
      this.#labels.failed(mine);
      await this.#store.markLabel('default', payment, before, mine);
      return;
    }
    this.#ledger.durable(this.#disk.label(paymentId, fraud, this.#labels.stampOf('default', paymentId, mine)));
    this.#labels.recorded(mine);
    this.#flusher.recorded(1);
  }
}

export interface HistoryOptions {
  readonly seed: number;
  readonly lives: number;
  /** Steps of a life, at most. */
  readonly steps: number;
  /** After how many of the steps it is checked: 0 to 1. */
  readonly checkShare: number;
  readonly make: MakeMemory;
  /** Holds what a start would find now against the truth. */
  readonly check: (disk: Disk, where: string) => Promise<void>;
}

/** Lives until they end, the last one by a clean stop. @returns the disk, and how often something was stored. */
export async function runHistory(options: HistoryOptions): Promise<{ disk: Disk; flushes: number }> {
  const { seed, lives, steps, checkShare, make, check } = options;
  const random = seededRandom(seed);
  const disk = new Disk();
  let flushes = 0;
  for (let number = 1; number <= lives; number++) {
    const life = new Life(disk, random);
    await life.start(make);
    const end = number === lives ? steps : random() * steps;
    for (let step = 0; step < end; step++) {
      await life.step();
      if (random() < checkShare) await check(disk, `seed ${seed}, life ${number}, step ${step}`);
    }
    if (number === lives) await life.stop();
    flushes += life.flushes;
  }
  await check(disk, `seed ${seed}, stopped`);
  return { disk, flushes };
}
