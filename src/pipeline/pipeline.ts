/** The path of one payment: decode → dedupe → enrich → score → decide → record, in micro-batches. */
import { createPaymentDecoder } from '../domain/decode.ts';
import { Payment } from '../domain/payment.ts';
import { samePayment } from '../domain/samePayment.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import type { Batch } from './batch.ts';
import { BatchPool } from './batch.ts';
import { bounds } from './bounds.ts';
import type { StageFailure } from './guard.ts';
import { createStageGuard } from './guard.ts';
import { InFlight, Item } from './item.ts';
import type { PipelineMetrics, PipelineStage } from './metrics.ts';
import type { Commit, DecisionRecord, DecisionStore, RecordOutcome, ScoringPool, VelocityStore } from './ports.ts';
import { RecordedPayments } from './recordedPayments.ts';
import { conflictOf, inTime, replayed, unavailable } from './results.ts';
import type { DecideResult } from './service.ts';
import type { Clock } from './clock.ts';
import { decide, enrich, remainingMs, score } from './steps.ts';
import type { StepTools } from './steps.ts';

export interface PipelineOptions {
  readonly release: CompiledRelease;
  readonly store: DecisionStore;
  readonly velocity: VelocityStore;
  readonly pool: ScoringPool | undefined;
  readonly clock: Clock;
  readonly metrics: PipelineMetrics;
  /** Told of every stage that failed; the payment goes on without it. Errors carry no payment data into logs. */
  readonly onStageFailure: (stage: string, failure: StageFailure, error: unknown) => void;
}

/** A payment of a stream batch waited for the same payment elsewhere, and that one was not decided. */
class NotDecided extends Error {
  override readonly name = 'NotDecided';
  constructor() {
    super('a payment of the batch was not decided, the batch is to be read again');
  }
}

export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #decoder = createPaymentDecoder();
  readonly #recorded = new RecordedPayments();
  readonly #inFlight = new InFlight();
  readonly #batches: BatchPool;
  readonly #tools: StepTools;
  #queue: Item[] = [];
  #drainScheduled = false;
  #running = 0;
  #batchNumber = 0;
  #closing = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#batches = new BatchPool(options.release, bounds.batchRowsMax);
    const guard = (name: string) => createStageGuard(name, bounds.inFlightBatchesMax * 2, options.onStageFailure);
    this.#tools = {
      clock: options.clock,
      velocity: options.velocity,
      velocityGuard: guard('velocity'),
      pool: options.pool,
      poolGuard: guard('scoring pool'),
      onScoreFailure: (error) => options.onStageFailure('score', 'failed', error),
    };
  }

  get release(): CompiledRelease {
    return this.#options.release;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  stageStates(): readonly { readonly name: string; readonly state: 'up' | 'down' }[] {
    return [this.#tools.velocityGuard, this.#tools.poolGuard].map(({ name, state }) => ({ name, state: state() }));
  }

  /** Numbers for velocity changes outside of payments (labels) come from the same sequence. */
  nextBatchNumber(): number {
    return ++this.#batchNumber;
  }

  /** Decodes and checks one payment's bytes against the wall clock. */
  decode(body: Uint8Array): ReturnType<ReturnType<typeof createPaymentDecoder>['decode']> {
    return this.#decoder.decode(body, this.#options.clock.nowMs());
  }

  /** One payment, answered by its deadline (monotonic clock, milliseconds). Never rejects. */
  decide(tenantId: string, body: Uint8Array, receivedAtMs: number, deadlineMs: number): Promise<DecideResult> {
    const decoded = this.decode(body);
    if (!(decoded instanceof Payment)) {
      this.#options.metrics.refused(decoded.code);
      return Promise.resolve({ kind: 'refused', refusal: decoded });
    }
    const earlier = this.#inFlight.find(tenantId, decoded.paymentId);
    if (earlier !== undefined) return this.#joinInTime(earlier, decoded, deadlineMs);
    if (this.#closing) return Promise.resolve(unavailable('shutting_down'));
    if (this.#inFlight.size >= bounds.inFlightPaymentsMax) return Promise.resolve(unavailable('overloaded'));
    const item = new Item(tenantId, decoded, body, receivedAtMs, deadlineMs);
    this.#inFlight.add(item);
    this.#armDeadline(item);
    this.#queue.push(item);
    this.#scheduleDrain();
    return item.result;
  }

  /**
   * A batch of a stream, all or nothing: resolves when every payment has its durable decision and the commits are
   * durable with them; rejects when they are not, and the caller reads the same messages again.
   * @param before awaited just before the decisions are recorded: resolves when the stream's previous batch is durable
   *   (positions must not overtake decisions) and dead letters are written. With commits every conflict is known by then;
   *   without them another process may be first even later, so that more conflicts can be among the results.
   * @returns each item's result, in order.
   */
  async decideStreamBatch(
    tenantId: string,
    items: readonly Item[],
    commits: readonly Commit[],
    before: () => Promise<void>,
    onEnriched: () => void,
  ): Promise<readonly DecideResult[]> {
    const own: Item[] = [];
    /** Of a payment id that is in the batch already, with other content. */
    const rivals: Item[] = [];
    try {
      const elsewhere: Promise<void>[] = [];
      // Without a pause, so that of two batches only the later one ever waits for the other.
      for (const item of items) {
        const earlier = this.#inFlight.find(tenantId, item.payment.paymentId);
        if (earlier === undefined) {
          this.#inFlight.add(item);
          own.push(item);
        } else if (!own.includes(earlier)) {
          // One that is elsewhere in flight must be durable first.
          elsewhere.push(this.#follow(earlier, item.payment).then((result) => item.settle(result)));
        } else if (samePayment(earlier.payment, item.payment)) {
          void this.#join(earlier).then((result) => item.settle(result));
        } else rivals.push(item);
      }
      await Promise.all(elsewhere);
      if (items.some(({ outcome }) => outcome?.kind === 'unavailable')) throw new NotDecided();
      await this.#run(tenantId, own, commits, before, onEnriched, rivals);
      await this.#settleRivals(tenantId, rivals);
      return await Promise.all(items.map((item) => item.result));
    } finally {
      onEnriched();
      // Whoever waits for one of these must not wait for ever.
      for (const item of own) item.settle(unavailable('not_recorded'));
      for (const item of items) this.#inFlight.remove(item);
    }
  }

  /** Stops taking payments and resolves when everything in flight is answered. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#inFlight.pending().map((item) => item.result));
  }

  /** The answer of the same payment that is on its way already. */
  async #join(earlier: Item): Promise<DecideResult> {
    return replayed(await earlier.result);
  }

  /** Nobody who joins a payment without a deadline has none. A conflict is one only with what was decided. */
  async #joinInTime(earlier: Item, payment: Payment, deadlineMs: number): Promise<DecideResult> {
    const result = await inTime(earlier.result, deadlineMs - this.#options.clock.monotonicMs());
    if (samePayment(earlier.payment, payment)) return replayed(result);
    if (result.kind === 'decided') return { kind: 'conflict', paymentId: payment.paymentId };
    return result.kind === 'unavailable' ? result : unavailable('not_recorded');
  }

  async #follow(earlier: Item, payment: Payment): Promise<DecideResult> {
    const result = await earlier.result;
    if (result.kind !== 'decided') return unavailable('not_recorded');
    if (!samePayment(earlier.payment, payment)) return { kind: 'conflict', paymentId: payment.paymentId };
    return replayed(result);
  }

  #armDeadline(item: Item): void {
    if (item.deadlineMs === Number.POSITIVE_INFINITY) return;
    const timer = setTimeout(
      () => {
        if (!item.recording) item.settle(unavailable('deadline_exceeded'));
      },
      Math.max(0, item.deadlineMs - this.#options.clock.monotonicMs()),
    );
    void item.result.then(() => clearTimeout(timer));
  }

  #scheduleDrain(): void {
    if (this.#drainScheduled) return;
    this.#drainScheduled = true;
    setImmediate(() => {
      this.#drainScheduled = false;
      this.#drain();
    });
  }

  #drain(): void {
    while (this.#queue.length > 0 && this.#running < bounds.inFlightBatchesMax) {
      const tenantId = (this.#queue[0] as Item).tenantId;
      const end = this.#queue.findIndex((item, i) => i === bounds.inlineRowsMax || item.tenantId !== tenantId);
      const items = this.#queue.splice(0, end === -1 ? this.#queue.length : end);
      this.#running++;
      void this.#run(tenantId, items, [], undefined, () => {})
        .catch(() => {
          for (const item of items) item.settle(unavailable('not_recorded'));
        })
        .finally(() => {
          for (const item of items) this.#inFlight.remove(item);
          this.#running--;
          if (this.#queue.length > 0) this.#scheduleDrain();
        });
    }
  }

  /** Runs the steps; every item is settled when it resolves. Rejects when the decisions could not be made durable. */
  async #run(
    tenantId: string,
    items: readonly Item[],
    commits: readonly Commit[],
    before: (() => Promise<void>) | undefined,
    onEnriched: () => void,
    rivals: readonly Item[] = [],
  ): Promise<void> {
    const took = this.#stopwatch();
    const undecided = await this.#dedupe(tenantId, [...items, ...rivals]);
    took('lookup');
    const fresh = undecided.filter((item) => !rivals.includes(item));
    // Nobody else is at work on the payments: their firsts will be the decisions.
    if (commits.length > 0) for (const item of rivals) item.settle(conflictOf(item));
    if (fresh.length === 0 && commits.length === 0) return;
    const batch = this.#batches.take();
    const number = this.nextBatchNumber();
    try {
      batch.start(
        fresh.map((item, row) => {
          item.row = row;
          return item.payment;
        }),
      );
      const leftMs = remainingMs(fresh, this.#options.clock);
      const unsure = await enrich(this.#tools, tenantId, batch, number, leftMs);
      onEnriched();
      took('enrich');
      await score(this.#tools, batch, leftMs);
      took('score');
      const records = decide(this.#tools, tenantId, batch, fresh);
      took('decide');
      if (before !== undefined) await before();
      const outcomes = await this.#record(fresh, records, number, commits);
      took('record');
      this.#keepCounted(fresh, outcomes, unsure);
      this.#settle(fresh, outcomes, batch);
    } catch (error) {
      // What may still become a decision stays counted: once, however often it comes, and whoever decides it.
      if (this.#options.store.claims !== true)
        for (const item of fresh) this.#options.velocity.retract(tenantId, item.payment);
      this.#options.onStageFailure('record', 'failed', error);
      throw error;
    } finally {
      this.#batches.give(batch);
    }
  }

  /** What stands for their payment ids is decided by now. */
  async #settleRivals(tenantId: string, rivals: readonly Item[]): Promise<void> {
    const open = rivals.filter((item) => !item.settled);
    if (open.length > 0 && (await this.#dedupe(tenantId, open)).length > 0) throw new NotDecided();
  }

  /** Tells the metrics how long each stage took since the one before it. */
  #stopwatch(): (stage: PipelineStage) => void {
    const { clock, metrics } = this.#options;
    let lastMs = clock.monotonicMs();
    return (stage) => {
      const nowMs = clock.monotonicMs();
      metrics.stageTook(stage, nowMs - lastMs);
      lastMs = nowMs;
    };
  }

  /** Answers what is already decided, in conflict or out of time; returns the rest. */
  async #dedupe(tenantId: string, items: readonly Item[]): Promise<Item[]> {
    const found = await this.#options.store.lookup(
      tenantId,
      items.map((item) => item.payment.paymentId),
    );
    return items.filter((item, i) => {
      const record = found[i];
      if (record !== undefined) item.settle(this.#replayOf(item, record));
      return !item.settled;
    });
  }

  #replayOf(item: Item, record: DecisionRecord): DecideResult {
    if (!this.#recorded.isOf(record, item.payment)) return conflictOf(item);
    return { kind: 'decided', decision: record.decision, replay: true };
  }

  /** Another process was first, with other content: that is what counts. The two may be one event to their entities. */
  #countInstead({ tenantId, payment }: Item, winner: DecisionRecord): void {
    const { velocity } = this.#options;
    velocity.retract(tenantId, payment);
    const recorded = this.#recorded.of(winner);
    if (recorded !== undefined) velocity.missed?.(tenantId, [recorded]);
  }

  /** Items whose deadline passed meanwhile are taken out of the velocity state again and not written. */
  #record(
    items: Item[],
    records: DecisionRecord[],
    number: number,
    commits: readonly Commit[],
  ): Promise<readonly RecordOutcome[]> {
    for (let i = items.length - 1; i >= 0; i--) {
      const item = items[i] as Item;
      if (item.settled) {
        this.#options.velocity.retract(item.tenantId, item.payment);
        items.splice(i, 1);
        records.splice(i, 1);
      } else item.recording = true;
    }
    const deadlines = items.map((item) => item.deadlineMs);
    return this.#options.store.record(records, deadlines, number, commits);
  }

  /**
   * Another process that was given the same payment, counted it and ran out of time takes it out again where it knows of no
   * decision. There is one now: from here on it stays in.
   */
  #keepCounted(items: readonly Item[], outcomes: readonly RecordOutcome[], unsure: readonly number[]): void {
    const { store, velocity } = this.#options;
    if (unsure.length === 0 || store.claims !== true) return;
    const rows = new Set(unsure);
    for (let i = 0; i < items.length; i++) {
      const { row, tenantId, payment } = items[i] as Item;
      if (rows.has(row) && outcomes[i]?.status === 'recorded') velocity.missed?.(tenantId, [payment]);
    }
  }

  #settle(items: readonly Item[], outcomes: readonly RecordOutcome[], batch: Batch): void {
    const { metrics, velocity } = this.#options;
    items.forEach((item, i) => {
      const outcome = outcomes[i] as RecordOutcome;
      if (outcome.status === 'expired' || outcome.winner === undefined) {
        velocity.retract(item.tenantId, item.payment);
        item.settle(unavailable('deadline_exceeded'));
      } else if (outcome.status === 'existing') {
        const result = this.#replayOf(item, outcome.winner);
        if (result.kind === 'conflict') this.#countInstead(item, outcome.winner);
        item.settle(result);
      } else item.settle({ kind: 'decided', decision: outcome.winner.decision, replay: false });
    });
    metrics.batchDecided(batch, items, this.#options.clock.monotonicMs());
  }
}
