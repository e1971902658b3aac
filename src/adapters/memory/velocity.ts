import { ValueSets, writeCommon } from '../../features/common.ts';
import { writeDerived } from '../../features/derived.ts';
import { PaymentFacts } from '../../features/facts.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import type { EntityPlan } from '../../features/plan.ts';
import { copyBytes } from '../../features/ring.ts';
import { RoleReader } from '../../features/roleReader.ts';
import { foreignState } from '../../features/state.ts';
import type { DirtyEntity, FeatureProgram, StoredEntity, VelocityLabel, VelocityMemory } from '../../features/types.ts';
import type { Payment } from '../../domain/payment.ts';
import type { BlockRef } from './arena.ts';
import { Entities } from './entities.ts';
import {
  blockHeadBytes,
  blockKindAt,
  blockTenantAt,
  blockValueBytesAt,
  decodeKey,
  decodeValues,
  joinKey,
  keyPrefix,
  encodeValues,
} from './entityBlock.ts';
import { EntityWriter } from './entityWriter.ts';

export interface VelocityMemoryOptions {
  /** Above this, entities without pending changes are evicted, those not used for long first. Default: no bound. */
  readonly residentBytesMax?: number;
  /** Spreads the key hashes so that nobody can choose keys that collide; any 32-bit integer, random per process. */
  readonly hashSeed?: number;
  /** The stored state of an entity that is not in memory, asked once something was evicted (or `storedElsewhere`). */
  readonly loadMissing?: (key: Uint8Array) => Uint8Array | undefined;
  /** Not all stored entities were loaded at start: ask `loadMissing` from the beginning. */
  readonly storedElsewhere?: boolean;
}

const tenantsMax = 65_535;
const evictSlotsPerCall = 4096;
/** Payments read ahead together: their entities fit the second-level cache. */
const groupRows = 32;
const cacheLineBytes = 64;

/** The velocity state of all tenants in memory; see VelocityMemory for what it promises. */
export function createVelocityMemory(program: FeatureProgram, options: VelocityMemoryOptions = {}): VelocityMemory {
  return new MemoryVelocity(program, options);
}

class MemoryVelocity implements VelocityMemory {
  readonly program: FeatureProgram;
  readonly #options: VelocityMemoryOptions;
  readonly #entities: Entities;
  readonly #facts: PaymentFacts;
  readonly #scratch: PaymentFacts;
  /** The payments of the group at hand, and for each of their entities its key hash and where it probably is. */
  readonly #group: readonly PaymentFacts[];
  readonly #hashes: Int32Array;
  readonly #guesses: Int32Array;
  readonly #present: Uint8Array;
  #epoch = 0;
  readonly #writers: readonly EntityWriter[];
  readonly #roles: readonly RoleReader[];
  /** Undefined where no feature gathers values. */
  readonly #sets: ValueSets | undefined;
  readonly #tenants = new Map<string, number>();
  readonly #tenantNames: string[] = [];
  /** By tenant, then kind: how keys begin. */
  readonly #prefixes: Uint8Array[][] = [];
  #askStorage: boolean;
  #newestBatch = 0;

  constructor(program: FeatureProgram, options: VelocityMemoryOptions) {
    this.program = program;
    this.#options = options;
    this.#entities = new Entities(options.hashSeed ?? 0);
    const plans = [...program.entities, ...program.roles];
    this.#facts = new PaymentFacts(plans);
    this.#scratch = new PaymentFacts(plans);
    this.#group = Array.from({ length: groupRows }, () => new PaymentFacts(plans));
    const places = groupRows * program.entities.length;
    this.#hashes = new Int32Array(places);
    this.#guesses = new Int32Array(places);
    this.#present = new Uint8Array(places);
    this.#writers = program.entities.map((plan) => new EntityWriter(plan, this.#entities));
    this.#sets = program.valueSets === 0 ? undefined : new ValueSets(program.valueSets);
    this.#roles = program.roles.map((plan) => new RoleReader(plan));
    this.#askStorage = options.storedElsewhere === true;
  }

  get entityCount(): number {
    return this.#entities.table.count;
  }

  get residentBytes(): number {
    return this.#entities.residentBytes;
  }

  appendAndRead(tenantId: string, payments: readonly Payment[], out: FeatureMatrix, batch: number): void {
    const tenant = this.#tenant(tenantId);
    this.#newestBatch = Math.max(this.#newestBatch, batch);
    for (let from = 0; from < payments.length; from += groupRows) {
      const rows = Math.min(groupRows, payments.length - from);
      this.#lookAhead(tenant, payments, from, rows);
      for (let row = 0; row < rows; row++) this.#appendRow(tenant, row, out, (from + row) * out.featureCount, batch);
      this.#entities.tidy();
    }
    this.#evict();
  }

  /**
   * Reads the payments of a group, and touches what memory each of their entities will need, all before the first is
   * appended: the processor then waits for many cache misses at once instead of for one after the other.
   */
  #lookAhead(tenant: number, payments: readonly Payment[], from: number, rows: number): void {
    const writers = this.#writers;
    const { arena, table } = this.#entities;
    for (let row = 0; row < rows; row++) {
      const facts = this.#group[row] as PaymentFacts;
      facts.load(payments[from + row] as Payment);
      for (let w = 0; w < writers.length; w++) {
        const { plan } = writers[w] as EntityWriter;
        const present = hasKey(facts, plan);
        this.#present[row * writers.length + w] = present ? 1 : 0;
        if (present) this.#hashes[row * writers.length + w] = this.#entities.hash(facts, plan, tenant);
      }
    }
    const count = rows * writers.length;
    for (let i = 0; i < count; i++)
      this.#guesses[i] = this.#present[i] === 1 ? table.guess(this.#hashes[i] as number) : 0;
    let touched = 0;
    for (let i = 0; i < count; i++) {
      const ref = this.#guesses[i] as number;
      if (ref === 0) continue;
      const view = arena.view(ref);
      const at = arena.offset(ref);
      // Head, accelerator and header stand in the first lines of a block; a small one may be the last of its chunk.
      const end = view.byteLength - 1;
      touched += view.getUint8(at) + view.getUint8(Math.min(end, at + cacheLineBytes));
      touched += view.getUint8(Math.min(end, at + 2 * cacheLineBytes));
    }
    for (let row = 0; row < rows; row++) {
      const facts = this.#group[row] as PaymentFacts;
      for (let w = 0; w < writers.length; w++) {
        const ref = this.#guesses[row * writers.length + w] as number;
        if (ref !== 0) touched += (writers[w] as EntityWriter).touch(ref, facts);
      }
    }
    // Never so; but what nobody reads would not be loaded.
    if (touched < 0) throw new Error('sizes are not negative');
    this.#epoch = arena.epoch;
  }

  #appendRow(tenant: number, row: number, out: FeatureMatrix, at: number, batch: number): void {
    const writers = this.#writers;
    const sets = this.#sets;
    const { derived } = this.program;
    const facts = this.#group[row] as PaymentFacts;
    if (this.#roles.length > 0) this.#readRoles(tenant, facts, out, at);
    for (let w = 0; w < writers.length; w++) {
      const writer = writers[w] as EntityWriter;
      const i = row * writers.length + w;
      if (this.#present[i] === 0) {
        writeMissing(writer.plan, out, at);
        continue;
      }
      const guess = this.#guesses[i] as number;
      // A block that was freed since is known by its head, unless its slab has gone to another class of sizes.
      const sure = guess !== 0 && this.#epoch === this.#entities.arena.epoch;
      if (sure && this.#entities.matches(guess, facts, writer.plan, tenant)) writer.open(guess);
      else this.#openOrCreate(tenant, writer, facts, this.#hashes[i] as number);
      if (writer.append(facts)) this.#entities.markDirty(writer.ref, batch);
      writer.write(out, at, sets);
    }
    if (sets !== undefined) {
      for (const each of this.program.common) writeCommon(each, sets, out.values, out.bounds, at);
    }
    for (let d = 0; d < derived.length; d++) {
      writeDerived(derived[d] as (typeof derived)[number], facts.amountMinor, out.values, out.bounds, at);
    }
  }

  /** Before the payment is counted: what it folds away is still there for it. */
  #readRoles(tenant: number, facts: PaymentFacts, out: FeatureMatrix, at: number): void {
    for (const role of this.#roles) {
      const { plan } = role;
      if (!hasKey(facts, plan)) {
        writeMissing(plan, out, at);
        continue;
      }
      const ref = this.#findOrLoad(tenant, plan, facts, this.#entities.hash(facts, plan, tenant));
      const writer = this.#writers[plan.index] as EntityWriter;
      if (ref !== 0) writer.open(ref);
      role.write(ref === 0 ? undefined : writer.cell, facts.timeMs, out, at, this.#sets);
    }
  }

  reappend(tenantId: string, payment: Payment, batch: number, wanted: (key: Uint8Array) => boolean): void {
    const tenant = this.#tenant(tenantId);
    this.#newestBatch = Math.max(this.#newestBatch, batch);
    this.#facts.load(payment);
    for (const writer of this.#writers) {
      if (!hasKey(this.#facts, writer.plan) || !wanted(this.#keyOf(tenant, writer.plan, this.#facts))) continue;
      this.#openOrCreate(tenant, writer, this.#facts, this.#entities.hash(this.#facts, writer.plan, tenant));
      if (writer.append(this.#facts)) this.#entities.markDirty(writer.ref, batch);
    }
    this.#entities.tidy();
    this.#evict();
  }

  dirtyKeysOf(tenantId: string, payment: Payment): Uint8Array[] {
    const tenant = this.#tenant(tenantId);
    this.#facts.load(payment);
    const keys: Uint8Array[] = [];
    for (const plan of this.program.entities) {
      const ref = this.#find(tenant, plan);
      if (ref !== 0 && this.#entities.isDirty(ref)) keys.push(this.#keyOf(tenant, plan, this.#facts));
    }
    return keys;
  }

  #openOrCreate(tenant: number, writer: EntityWriter, facts: PaymentFacts, hash: number): void {
    const ref = this.#findOrLoad(tenant, writer.plan, facts, hash);
    writer.open(ref === 0 ? this.#entities.create(hash, facts, writer.plan, tenant, writer.cell) : ref);
  }

  retract(tenantId: string, payment: Payment): void {
    this.#change(tenantId, payment, this.#newestBatch, (writer) => writer.retract(this.#facts));
  }

  markLabel(tenantId: string, label: VelocityLabel, batch: number, wanted?: (key: Uint8Array) => boolean): void {
    this.#newestBatch = Math.max(this.#newestBatch, batch);
    const tenant = this.#tenant(tenantId);
    this.#change(tenantId, label.payment, batch, (writer) => {
      if (!writer.plan.hasLabel || wanted?.(this.#keyOf(tenant, writer.plan, this.#facts)) === false) return false;
      return writer.label(this.#facts, label.fraud);
    });
  }

  /** Applies a change to every entity the payment touches and that is there. */
  #change(tenantId: string, payment: Payment, batch: number, change: (writer: EntityWriter) => boolean): void {
    const tenant = this.#tenant(tenantId);
    this.#facts.load(payment);
    for (const writer of this.#writers) {
      const ref = hasKey(this.#facts, writer.plan)
        ? this.#findOrLoad(tenant, writer.plan, this.#facts, this.#entities.hash(this.#facts, writer.plan, tenant))
        : 0;
      if (ref === 0) continue;
      writer.open(ref);
      if (change(writer)) this.#entities.markDirty(ref, batch);
    }
  }

  takeDirty(max: number, recordedBatch: number): DirtyEntity[] {
    const taken: DirtyEntity[] = [];
    this.#entities.take(max, recordedBatch, (ref, batch) => taken.push(this.#stored(ref, batch)));
    return taken;
  }

  dirty(): { count: number; oldestBatch: number } {
    return { count: this.#entities.queue.count, oldestBatch: this.#entities.queue.oldestBatch };
  }

  load(entity: StoredEntity): void {
    const key = decodeKey(entity.key);
    const plan = this.program.entities.find((p) => p.kind === key?.kind);
    if (key === undefined || plan === undefined) throw new Error('stored entity of a kind this release does not have');
    const foreign = foreignState(plan, entity.bytes);
    if (foreign !== undefined) throw new Error(`stored entity of kind ${plan.kind}: ${foreign}`);
    const texts = decodeValues(key.values, plan.fields.length > 1);
    this.#entities.load(plan, this.#tenant(key.tenant), key.values, texts, entity.bytes, this.#scratch);
  }

  #stored(ref: BlockRef, batch: number): DirtyEntity {
    const { arena } = this.#entities;
    const view = arena.view(ref);
    const at = arena.offset(ref);
    const writer = this.#writers[view.getUint8(at + blockKindAt) - 1] as EntityWriter;
    writer.open(ref);
    const { cell, plan } = writer;
    const prefix = this.#prefix(view.getUint16(at + blockTenantAt, true), plan);
    const valuesAt = at + blockHeadBytes;
    const keyBytes = prefix.length + view.getUint16(at + blockValueBytesAt, true);
    const stateBytes = cell.stateBytes();
    // One piece of a pool: two arrays of their own a copy are work for the garbage collector.
    const copy = Buffer.allocUnsafe(keyBytes + stateBytes);
    copy.set(prefix);
    copyBytes(cell.bytes, valuesAt, copy, prefix.length, keyBytes - prefix.length);
    copyBytes(cell.bytes, cell.base, copy, keyBytes, stateBytes);
    return { key: copy.subarray(0, keyBytes), bytes: copy.subarray(keyBytes), batch };
  }

  #find(tenant: number, plan: EntityPlan): BlockRef {
    const facts = this.#facts;
    if (!hasKey(facts, plan)) return 0;
    return this.#entities.find(this.#entities.hash(facts, plan, tenant), facts, plan, tenant);
  }

  #findOrLoad(tenant: number, plan: EntityPlan, facts: PaymentFacts, hash: number): BlockRef {
    const ref = this.#entities.find(hash, facts, plan, tenant);
    if (ref !== 0 || !this.#askStorage || this.#options.loadMissing === undefined) return ref;
    const key = this.#keyOf(tenant, plan, facts);
    const bytes = this.#options.loadMissing(key);
    if (bytes === undefined) return 0;
    this.load({ key, bytes });
    return this.#entities.find(hash, facts, plan, tenant);
  }

  /** Key of the entity that the payment touches; its fields must be present. */
  #keyOf(tenant: number, plan: EntityPlan, facts: PaymentFacts): Uint8Array {
    return joinKey(this.#prefix(tenant, plan), encodeValues(plan, facts));
  }

  #prefix(tenant: number, plan: EntityPlan): Uint8Array {
    const own = (this.#prefixes[tenant] ??= []);
    return (own[plan.index] ??= keyPrefix(this.#tenantNames[tenant] ?? '', plan.kind));
  }

  #tenant(name: string): number {
    const known = this.#tenants.get(name);
    if (known !== undefined) return known;
    if (this.#tenantNames.length >= tenantsMax) throw new Error(`more than ${tenantsMax} tenants`);
    this.#tenants.set(name, this.#tenantNames.push(name) - 1);
    return this.#tenantNames.length - 1;
  }

  #evict(): void {
    const max = this.#options.residentBytesMax;
    if (max === undefined || this.#entities.residentBytes - this.#entities.arena.pooledBytes <= max) return;
    if (this.#entities.evict(evictSlotsPerCall) > 0) this.#askStorage = true;
  }
}

function hasKey(facts: PaymentFacts, plan: EntityPlan): boolean {
  const { fields } = plan;
  for (let i = 0; i < fields.length; i++) if (facts.codes[fields[i] as number] === 0) return false;
  return true;
}

function writeMissing(plan: EntityPlan, out: FeatureMatrix, at: number): void {
  for (const feature of plan.featureIndexes) {
    out.values[at + feature] = Number.NaN;
    out.bounds[at + feature] = 0;
  }
}
