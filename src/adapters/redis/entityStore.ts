/** Entities in Redis: append to many and read them, change one. No waiting for a better day: see velocity.ts for that. */
import { randomInt } from 'node:crypto';
import type { Payment } from '../../domain/payment.ts';
import type { ValueSets } from '../../features/common.ts';
import { PaymentFacts } from '../../features/facts.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import type { EntityPlan } from '../../features/plan.ts';
import { RoleReader } from '../../features/roleReader.ts';
import type { FeatureProgram } from '../../features/types.ts';
import { encodePlans, encodeRequest, type KeyWork, requestRecordBytes, type RoleRead } from './appendCall.ts';
import type { RedisConnection } from './connection.ts';
import { Copies } from './copies.ts';
import { type EntityCopy, generationBytes, generations, readBase } from './entityCopy.ts';
import { RedisUnavailable } from './errors.ts';
import { entityKey, hasKey, shardOf, tenantPartOf } from './keys.ts';
import { type Replacement, Replacer } from './replacer.ts';
import { appendScript } from './scripts.ts';
import { StateWriter } from './stateWriter.ts';
import { callsOf, Works } from './works.ts';

/** Tries to change an entity that other processes rewrite at the same time; each failure is the success of one of them. */
const changeTriesMax = 32;
const lateDayMs = 86_400_000;
/** The expiry is put off only so often, and is by so much longer. */
const refreshMs = lateDayMs;
/** What the script answers for a record that was not there. */
const isNew = 0x30;
/** Odd: every generation comes once before one comes again. */
const seedStep = 0x9e3779b1;

export interface EntityStoreOptions {
  readonly program: FeatureProgram;
  readonly connection: RedisConnection;
  /** Bytes of copies of entities that this process keeps. */
  readonly copiesBytesMax: number;
  /** How long an entity lives that has features without a window (`sinceFirst`, `isFirst`, `sinceLast`), milliseconds. */
  readonly lifetimeMs: number;
}

/** After so long without an event no window of any event that may still come reaches what is stored. */
function ttlSecondsOf(plan: EntityPlan, lifetimeMs: number): number {
  const windowMs = plan.reachMs + lateDayMs + refreshMs;
  return Math.ceil((plan.keptForLife ? Math.max(windowMs, lifetimeMs) : windowMs) / 1000);
}

/** One call's rows and where their features go; `wanted` says whether anyone still waits for them. */
interface Target {
  readonly out: FeatureMatrix;
  readonly wanted: () => boolean;
  /** By row, what its features gather; empty where none does. */
  readonly sets: readonly ValueSets[];
}

export class EntityStore {
  readonly plans: readonly EntityPlan[];
  readonly copies: Copies;
  readonly #connection: RedisConnection;
  readonly #writers: readonly StateWriter[];
  readonly #roles: readonly RoleReader[];
  /** By which facts are loaded. */
  readonly #allPlans: readonly EntityPlan[];
  readonly #ttlSeconds: readonly number[];
  readonly #plansBytes: Buffer;
  readonly #facts: PaymentFacts[] = [];
  /** The last change of each entity that is on its way: changes of one process do not race with each other. */
  readonly #changing = new Map<string, Promise<void>>();
  readonly #replacer: Replacer;
  /** Different for every entity that is made: one that expired and came back is not taken for what it was. */
  #seed = randomInt(generations);
  #epoch = 0;

  constructor({ program, connection, copiesBytesMax, lifetimeMs }: EntityStoreOptions) {
    this.plans = program.entities;
    this.copies = new Copies(copiesBytesMax);
    this.#connection = connection;
    this.#writers = this.plans.map((plan) => new StateWriter(plan));
    this.#roles = program.roles.map((plan) => new RoleReader(plan));
    this.#allPlans = [...program.entities, ...program.roles];
    this.#ttlSeconds = this.plans.map((plan) => ttlSecondsOf(plan, lifetimeMs));
    this.#plansBytes = encodePlans(this.plans, this.#ttlSeconds);
    const { copies } = this;
    this.#replacer = new Replacer({ connection, copies, writers: this.#writers, ttlSeconds: this.#ttlSeconds });
  }

  get compactionsFailed(): number {
    return this.#replacer.failed;
  }

  /** What Redis acknowledged may be lost with a connection (restart, failover): nothing known before it counts any more. */
  forget(): void {
    this.#epoch++;
    this.#replacer.forget();
    this.copies.clear();
  }

  /**
   * Appends the payments to their entities; with a target, writes the features of each entity kind it has.
   * @returns by row, the plans (by index) whose entity had the payment already
   */
  async append(
    tenantId: string,
    payments: readonly Payment[],
    target: Target | undefined,
  ): Promise<ReadonlyMap<number, readonly number[]>> {
    const known = new Map<number, number[]>();
    const works = this.#worksOf(tenantId, payments, target === undefined ? [] : this.#roles);
    const calls = callsOf(works, this.#connection.cluster);
    const seed = this.#nextSeed();
    const requests = calls.map((works) => {
      return encodeRequest(this.plans, works, (row) => this.#facts[row] as PaymentFacts);
    });
    const epoch = this.#epoch;
    const due: Replacement[] = [];
    try {
      await this.#connection.runAll(
        appendScript,
        calls.map((works, i) => {
          return { keys: works.map(({ key }) => key), args: [this.#plansBytes, requests[i] as Buffer, seed] };
        }),
        (reply, i) => {
          if (epoch !== this.#epoch) throw new RedisUnavailable('disconnected', 'the connection was lost meanwhile');
          this.#takeReply(calls[i] as KeyWork[], requests[i] as Buffer, reply, target, known, due);
        },
      );
    } finally {
      this.#replacer.compact(due);
    }
    return known;
  }

  /**
   * Changes the payment's entities one by one, each as a whole and only if nobody else has rewritten it meanwhile.
   * @param change answers whether it changed the state. It may be called again after a race.
   */
  async change(
    tenantId: string,
    payment: Payment,
    applies: (plan: EntityPlan) => boolean,
    change: (writer: StateWriter, facts: PaymentFacts) => boolean,
  ): Promise<void> {
    const facts = new PaymentFacts(this.plans);
    facts.load(payment);
    const tenantPart = tenantPartOf(tenantId);
    const changes = this.plans.flatMap((plan, planIndex) => {
      if (!applies(plan) || !hasKey(facts, plan)) return [];
      const key = entityKey(facts, plan, tenantPart, shardOf(facts, plan));
      return [this.#inTurn(key, () => this.#changeOne(key, planIndex, facts, change))];
    });
    await allOf(changes);
  }

  async #inTurn(key: string, work: () => Promise<void>): Promise<void> {
    const before = this.#changing.get(key) ?? Promise.resolve();
    // That the one before it failed is told to who asked for it.
    const own = before.then(work, work);
    this.#changing.set(key, own);
    try {
      await own;
    } finally {
      if (this.#changing.get(key) === own) this.#changing.delete(key);
    }
  }

  async #changeOne(
    key: string,
    planIndex: number,
    facts: PaymentFacts,
    change: (writer: StateWriter, facts: PaymentFacts) => boolean,
  ): Promise<void> {
    const writer = this.#writers[planIndex] as StateWriter;
    for (let tries = 0; tries < changeTriesMax; tries++) {
      const value = await this.#connection.call('GET', [key]);
      if (!Buffer.isBuffer(value)) return;
      const copy = this.#read(planIndex, value);
      writer.open(copy);
      if (!change(writer, facts)) return;
      const [replaced] = await this.#replacer.replace([this.#replacer.replacement(key, planIndex, copy)]);
      if (replaced === true) return;
    }
    throw new RedisUnavailable('busy', 'an entity is rewritten all the time');
  }

  #nextSeed(): Buffer {
    this.#seed = (this.#seed + seedStep) % generations;
    const seed = Buffer.allocUnsafe(generationBytes);
    seed.writeUInt32LE(this.#seed, 0);
    return seed;
  }

  /** @param roles those in which entities are also to be read */
  #worksOf(tenantId: string, payments: readonly Payment[], roles: readonly RoleReader[]): KeyWork[] {
    const works = new Works(this.copies, tenantPartOf(tenantId), Date.now() - refreshMs);
    for (let row = 0; row < payments.length; row++) {
      const facts = (this.#facts[row] ??= new PaymentFacts(this.#allPlans));
      facts.load(payments[row] as Payment);
      works.add(row, facts, this.plans, roles);
    }
    return works.all();
  }

  #takeReply(
    works: readonly KeyWork[],
    request: Buffer,
    reply: unknown,
    target: Target | undefined,
    known: Map<number, number[]>,
    due: Replacement[],
  ): void {
    if (!Array.isArray(reply) || reply.length !== works.length) throw new RedisUnavailable('damaged', 'no such reply');
    const view = new DataView(request.buffer, request.byteOffset, request.length);
    const wanted = target?.wanted() === true;
    works.forEach((work, i) => {
      const answer: unknown = reply[i];
      if (!Buffer.isBuffer(answer)) throw new RedisUnavailable('damaged', 'a reply that is no string');
      this.#apply(work, answer, view, wanted ? target : undefined, due);
      for (let k = 0; k < work.rows.length; k++)
        if (answer[1 + k] !== isNew) addTo(known, work.rows[k] as number, work.planIndex);
    });
  }

  /** Takes in what the script answered of one entity, and evaluates the rows of the batch as they come by. */
  #apply(work: KeyWork, answer: Buffer, request: DataView, target: Target | undefined, due: Replacement[]): void {
    const out = target?.out;
    const { key, planIndex, rows } = work;
    const plan = this.plans[planIndex] as EntityPlan;
    const writer = this.#writers[planIndex] as StateWriter;
    const bodyAt = 1 + rows.length;
    const body = answer.subarray(bodyAt);
    const isDelta = answer[0] === 0x31;
    let fresh = 0;
    for (let k = 0; k < rows.length; k++) if (answer[1 + k] === isNew) fresh++;
    const copy = isDelta ? (work.copy as EntityCopy) : this.#read(planIndex, body, fresh);
    writer.open(copy);
    const stride = plan.amountAt + copy.rawAmountBytes;
    // Where the value's byte `rawLength` stands in the answer.
    const shift = isDelta ? -work.knownBytes : 0;
    const endAt = body.length - shift;
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const ownAt = endAt - fresh * stride;
    while (copy.rawLength < ownAt) this.#take(writer, copy, body, view, shift, false);
    const recordBytes = 1 + requestRecordBytes(plan);
    let read = 0;
    for (let k = 0; k < rows.length; k++) {
      if (target !== undefined) read = this.#readRoles(work, read, k, writer, target);
      const isFresh = answer[1 + k] === isNew && copy.rawLength < endAt;
      if (isFresh) this.#take(writer, copy, body, view, shift, out !== undefined);
      else if (out !== undefined) writer.evaluateKnown(request, work.recordsAt + k * recordBytes + 1);
      if (out !== undefined) {
        const row = rows[k] as number;
        writer.write(out, row * out.featureCount, target?.sets[row]);
      }
    }
    if (target !== undefined) this.#readRoles(work, read, rows.length, writer, target);
    if (work.refresh && fresh > 0) copy.refreshedAtMs = Date.now();
    // What was only asked for may not be there at all.
    if (writer.cell.count === 0 && !writer.cell.folded) return;
    const compacted = this.#replacer.compacted(key, planIndex, copy);
    if (compacted === undefined) this.copies.keep(key, copy);
    else due.push(compacted);
  }

  /** Those of the work's reads, from the so-manieth on, that come before its row k; answers how many have been read. */
  #readRoles({ reads }: KeyWork, from: number, k: number, { cell }: StateWriter, target: Target): number {
    const { out, sets } = target;
    let next = from;
    for (; next < reads.length && (reads[next]?.after ?? 0) <= k; next++) {
      const { row, role } = reads[next] as RoleRead;
      const { timeMs } = this.#facts[row] as PaymentFacts;
      this.#roles[role]?.write(cell, timeMs, out, row * out.featureCount, sets[row]);
    }
    return next;
  }

  /** The next record of the value, which stands in `body`, into the copy. */
  #take(
    writer: StateWriter,
    copy: EntityCopy,
    body: Uint8Array,
    view: DataView,
    shift: number,
    evaluate: boolean,
  ): void {
    writer.append(body, view, copy.rawLength + shift, evaluate);
    copy.rawLength += copy.plan.amountAt + copy.rawAmountBytes;
    copy.tailRecords++;
  }

  /** A copy of a whole value, with its tail put in except for the last `without` records. */
  #read(planIndex: number, value: Buffer, without = 0): EntityCopy {
    const plan = this.plans[planIndex] as EntityPlan;
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    const copy = readBase(plan, value, view);
    if (copy === undefined) throw new RedisUnavailable('damaged', `an entity of kind ${plan.kind}`);
    const writer = this.#writers[planIndex] as StateWriter;
    writer.open(copy);
    const endAt = value.length - without * (plan.amountAt + copy.rawAmountBytes);
    while (copy.rawLength < endAt) this.#take(writer, copy, value, view, 0, false);
    return copy;
  }
}

function addTo(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** Waits for all, also when one fails: what is still on its way must not outlive the call unseen. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
