/** The velocity state in Redis: what it cannot take now is remembered, within a bound, and appended before what is newer. */
import type { Payment } from '../../domain/payment.ts';
import { ValueSets, writeCommon } from '../../features/common.ts';
import { writeDerived } from '../../features/derived.ts';
import { PaymentFacts } from '../../features/facts.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import type { EntityPlan } from '../../features/plan.ts';
import type { FeatureProgram } from '../../features/types.ts';
import type { VelocityStore } from '../../pipeline/ports.ts';
import { Backlog } from './backlog.ts';
import type { RedisConnection } from './connection.ts';
import { EntityStore } from './entityStore.ts';
import { RedisUnavailable } from './errors.ts';
import { hasKey } from './keys.ts';

/** Payments that Redis may miss and get later; beyond, the oldest are dropped and counted. */
const backlogMaxDefault = 100_000;
/** Payments of the backlog that are appended in one go. */
const backlogBatchRows = 256;
/** So small a backlog is waited for; with a larger one a payment goes on without velocity. */
const backlogAwaitedMax = 1024;
/** Pause between two tries to reach Redis, milliseconds. */
const retryMs = 100;
const copiesBytesMaxDefault = 64 * 2 ** 20;
const lifetimeMsDefault = 180 * 86_400_000;

export interface RedisVelocityOptions {
  readonly program: FeatureProgram;
  readonly connection: RedisConnection;
  readonly backlogMax?: number;
  readonly copiesBytesMax?: number;
  readonly lifetimeMs?: number;
  /** Whether some process has decided this very payment: then it is not taken out. Absent where no other process decides. */
  readonly isDecided?: (tenantId: string, payment: Payment) => Promise<boolean>;
}

/** For metrics and readiness. */
export interface RedisVelocityState {
  /** Whether the last try reached Redis. */
  readonly state: 'up' | 'away' | 'catching up';
  /** Payments that Redis is still to get. */
  readonly backlog: number;
  /** Payments that it will never get. */
  readonly dropped: number;
  readonly lastError: string | undefined;
  readonly copies: number;
  readonly copiesBytes: number;
}

/** Payments of a call that is not answered yet, and those of them that were taken out again meanwhile. */
interface Unanswered {
  readonly payments: readonly Payment[];
  readonly takenOut: Payment[];
}

export class RedisVelocityStore implements VelocityStore {
  readonly #program: FeatureProgram;
  readonly #entities: EntityStore;
  readonly #backlog: Backlog;
  readonly #facts: PaymentFacts;
  readonly #stopListening: () => void;
  readonly #isDecided: (tenantId: string, payment: Payment) => Promise<boolean>;
  readonly #retracting = new Set<Promise<void>>();
  readonly #unanswered = new Set<Unanswered>();
  /** Plans whose entities had a payment before it was appended here: what others put in is not for this process to take out. */
  readonly #ofOthers = new WeakMap<Payment, readonly number[]>();
  #away = false;
  #closed = false;
  #lastError: string | undefined;
  #draining: Promise<void> | undefined;
  #wake = (): void => {};

  constructor(options: RedisVelocityOptions) {
    const { program, connection } = options;
    this.#program = program;
    this.#facts = new PaymentFacts([...program.entities, ...program.roles]);
    this.#isDecided = options.isDecided ?? (() => Promise.resolve(false));
    this.#backlog = new Backlog(options.backlogMax ?? backlogMaxDefault);
    this.#entities = new EntityStore({
      program,
      connection,
      copiesBytesMax: options.copiesBytesMax ?? copiesBytesMaxDefault,
      lifetimeMs: options.lifetimeMs ?? lifetimeMsDefault,
    });
    this.#stopListening = connection.onChange((ready) => {
      this.#entities.forget();
      if (ready) this.#wake();
    });
  }

  state(): RedisVelocityState {
    return {
      state: this.#away ? 'away' : this.#backlog.size > 0 ? 'catching up' : 'up',
      backlog: this.#backlog.size,
      dropped: this.#backlog.dropped,
      lastError: this.#lastError,
      copies: this.#entities.copies.size,
      copiesBytes: this.#entities.copies.bytes,
    };
  }

  /** @throws RedisUnavailable when Redis has not taken all of it; the payments are remembered then. */
  async appendAndRead(
    tenantId: string,
    payments: readonly Payment[],
    out: FeatureMatrix,
    _batch: number,
    wanted: () => boolean = () => true,
  ): Promise<readonly number[]> {
    const call: Unanswered = { payments, takenOut: [] };
    this.#unanswered.add(call);
    try {
      await this.#caughtUp();
      const sets = this.#setsOf(payments.length);
      const known = await this.#entities.append(tenantId, payments, { out, wanted, sets });
      if (wanted()) this.#writeRest(payments, out, sets);
      for (const [row, plans] of known) this.#ofOthers.set(payments[row] as Payment, plans);
      return [...known.keys()];
    } catch (error) {
      this.missed(tenantId, payments);
      throw this.#failed(error);
    } finally {
      this.#unanswered.delete(call);
      for (const payment of call.takenOut) this.retract(tenantId, payment);
    }
  }

  missed(tenantId: string, payments: readonly Payment[]): void {
    for (const payment of payments) this.#backlog.add({ tenantId, payment, retract: false });
    this.#drain();
  }

  retract(tenantId: string, payment: Payment): void {
    // It must not be taken out before it is in, and before it is known who put it in.
    const call = [...this.#unanswered].find(({ payments }) => payments.includes(payment));
    if (call !== undefined) {
      call.takenOut.push(payment);
      return;
    }
    const unsure = this.#backlog.has(tenantId, payment);
    if (unsure || this.#away) {
      this.#backlog.add({ tenantId, payment, retract: true });
      this.#drain();
      return;
    }
    const retracting = this.#takeOut(tenantId, payment, false)
      .catch((error: unknown) => {
        this.#failed(error);
        this.#backlog.add({ tenantId, payment, retract: true });
        this.#drain();
      })
      .finally(() => this.#retracting.delete(retracting));
    this.#retracting.add(retracting);
  }

  /** @throws RedisUnavailable with nothing or some of the payment's entities marked; the same call again marks the rest. */
  async markLabel(tenantId: string, payment: Payment, fraud: boolean): Promise<void> {
    try {
      await this.#caughtUp();
      await this.#entities.change(
        tenantId,
        payment,
        (plan) => plan.hasLabel,
        (writer, facts) => writer.label(facts, fraud),
      );
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Resolves when everything asked for so far has happened or waits in the backlog. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#retracting]);
  }

  /** Stops trying; what is still missed is lost, and counted in what it answers. */
  async close(): Promise<{ readonly lost: number }> {
    this.#closed = true;
    this.#stopListening();
    this.#wake();
    await Promise.allSettled([...this.#retracting, this.#draining]);
    return { lost: this.#backlog.size + this.#backlog.dropped };
  }

  /** Resolves when nothing older waits; rejects when that would take too long. */
  async #caughtUp(): Promise<void> {
    if (this.#retracting.size > 0) await Promise.all(this.#retracting);
    if (this.#backlog.size === 0) return;
    this.#drain();
    if (this.#away || this.#backlog.size > backlogAwaitedMax) {
      throw new RedisUnavailable('catching up', `${this.#backlog.size} payments are to be appended first`);
    }
    await this.#draining;
    if (this.#backlog.size > 0) throw new RedisUnavailable('catching up', 'older payments are to be appended first');
  }

  #drain(): void {
    if (this.#closed || this.#draining !== undefined) return;
    this.#draining = this.#drainAll().finally(() => {
      this.#draining = undefined;
    });
  }

  async #drainAll(): Promise<void> {
    while (this.#backlog.size > 0 && !this.#closed) {
      const next = this.#backlog.next(backlogBatchRows);
      const [{ tenantId, retract } = { tenantId: '', retract: false }] = next;
      try {
        // What is being taken out must not come after what puts it in again.
        await this.settled();
        if (retract) await Promise.all(next.map(({ payment }) => this.#takeOut(tenantId, payment, true)));
        else {
          const payments = next.map(({ payment }) => payment);
          await this.#entities.append(tenantId, payments, undefined);
        }
        this.#away = false;
        this.#backlog.done(next);
      } catch (error) {
        this.#failed(error);
        // Bytes that nobody can read stay so: whatever comes after them must not wait for ever.
        if (error instanceof RedisUnavailable && error.failure !== 'damaged') await this.#pause();
        else this.#backlog.giveUp(next);
      }
    }
  }

  /**
   * Another process may have been given the same payment, found it counted, and decided it. So it is asked for after it was taken
   * out, and put in again then; who decides later than that has to see to it itself (`appendAndRead` tells which).
   */
  async #takeOut(tenantId: string, payment: Payment, recordsOnly: boolean): Promise<void> {
    const others = this.#ofOthers.get(payment) ?? [];
    const isOwn = ({ index }: EntityPlan): boolean => !others.includes(index);
    await this.#entities.change(tenantId, payment, isOwn, (writer, facts) => writer.retract(facts, recordsOnly));
    if (await this.#isDecided(tenantId, payment)) await this.#entities.append(tenantId, [payment], undefined);
  }

  /** Until it is time to try again, or Redis is there again. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, retryMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Remembers how it failed; answers the error. What is no failure of Redis is ours, and passes through as it is. */
  #failed(error: unknown): unknown {
    if (!(error instanceof RedisUnavailable) || error.failure === 'catching up') return error;
    this.#away = error.failure !== 'damaged' && error.failure !== 'busy';
    this.#lastError = error.message;
    return error;
  }

  #setsOf(rows: number): ValueSets[] {
    const { valueSets } = this.#program;
    return valueSets === 0 ? [] : Array.from({ length: rows }, () => new ValueSets(valueSets));
  }

  /** Features of entities that the payment does not touch, and those that follow from others. */
  #writeRest(payments: readonly Payment[], out: FeatureMatrix, sets: readonly ValueSets[]): void {
    const { entities, roles, common, derived } = this.#program;
    const facts = this.#facts;
    for (let row = 0; row < payments.length; row++) {
      const at = row * out.featureCount;
      facts.load(payments[row] as Payment);
      for (const plan of entities) if (!hasKey(facts, plan)) writeMissing(plan, out, at);
      for (const plan of roles) if (!hasKey(facts, plan)) writeMissing(plan, out, at);
      for (const each of common) writeCommon(each, sets[row] as ValueSets, out.values, out.bounds, at);
      for (const each of derived) writeDerived(each, facts.amountMinor, out.values, out.bounds, at);
    }
  }
}

function writeMissing(plan: EntityPlan, out: FeatureMatrix, at: number): void {
  for (const feature of plan.featureIndexes) {
    out.values[at + feature] = Number.NaN;
    out.bounds[at + feature] = 0;
  }
}
