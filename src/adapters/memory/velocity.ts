import { writeDerived } from '../../features/derived.ts';
import { PaymentFacts } from '../../features/facts.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import type { EntityPlan } from '../../features/plan.ts';
import { foreignState } from '../../features/state.ts';
import type { DirtyEntity, FeatureProgram, StoredEntity, VelocityLabel, VelocityMemory } from '../../features/types.ts';
import type { Payment } from '../../domain/payment.ts';
import type { BlockRef } from './arena.ts';
import { Entities } from './entities.ts';
import { blockKindAt, blockTenantAt, decodeKey, decodeValues, encodeKey, encodeValues } from './entityBlock.ts';
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

/** The velocity state of all tenants in memory; see VelocityMemory for what it promises. */
export function createVelocityMemory(program: FeatureProgram, options: VelocityMemoryOptions = {}): VelocityMemory {
  return new MemoryVelocity(program, options);
}

class MemoryVelocity implements VelocityMemory {
  readonly program: FeatureProgram;
  readonly #options: VelocityMemoryOptions;
  readonly #entities: Entities;
  readonly #facts: PaymentFacts;
  readonly #writers: readonly EntityWriter[];
  readonly #tenants = new Map<string, number>();
  readonly #tenantNames: string[] = [];
  /** Where features go that nobody reads. */
  #askStorage: boolean;
  #newestBatch = 0;

  constructor(program: FeatureProgram, options: VelocityMemoryOptions) {
    this.program = program;
    this.#options = options;
    this.#entities = new Entities(options.hashSeed ?? 0);
    this.#facts = new PaymentFacts(program.entities);
    this.#writers = program.entities.map((plan) => new EntityWriter(plan, this.#entities));
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
    const { derived } = this.program;
    const writers = this.#writers;
    this.#newestBatch = Math.max(this.#newestBatch, batch);
    for (let row = 0; row < payments.length; row++) {
      const facts = this.#facts;
      facts.load(payments[row] as Payment);
      const at = row * out.featureCount;
      for (let w = 0; w < writers.length; w++) {
        const writer = writers[w] as EntityWriter;
        if (hasKey(facts, writer.plan)) {
          this.#appendOne(tenant, writer, batch);
          writer.write(out, at);
        } else writeMissing(writer.plan, out, at);
      }
      for (let d = 0; d < derived.length; d++) {
        const op = derived[d] as (typeof derived)[number];
        writeDerived(op, facts.amountMinor, out.values, out.bounds, at);
      }
      if (this.#entities.arena.crowded) this.#entities.tidy();
    }
    this.#evict();
  }

  reappend(tenantId: string, payment: Payment, batch: number, wanted: (key: Uint8Array) => boolean): void {
    const tenant = this.#tenant(tenantId);
    this.#newestBatch = Math.max(this.#newestBatch, batch);
    this.#facts.load(payment);
    for (const writer of this.#writers) {
      if (!hasKey(this.#facts, writer.plan) || !wanted(this.#keyOf(tenant, writer.plan))) continue;
      this.#appendOne(tenant, writer, batch);
    }
    if (this.#entities.arena.crowded) this.#entities.tidy();
    this.#evict();
  }

  dirtyKeysOf(tenantId: string, payment: Payment): Uint8Array[] {
    const tenant = this.#tenant(tenantId);
    this.#facts.load(payment);
    const keys: Uint8Array[] = [];
    for (const plan of this.program.entities) {
      const ref = hasKey(this.#facts, plan) ? this.#entities.find(this.#facts, plan, tenant) : 0;
      if (ref !== 0 && this.#entities.isDirty(ref)) keys.push(this.#keyOf(tenant, plan));
    }
    return keys;
  }

  /** Appends the loaded payment to its entity of the writer's kind. */
  #appendOne(tenant: number, writer: EntityWriter, batch: number): void {
    const facts = this.#facts;
    const ref = this.#findOrLoad(tenant, writer.plan);
    writer.open(ref === 0 ? this.#entities.create(facts, writer.plan, tenant, writer.cell) : ref);
    if (writer.append(facts)) this.#entities.markDirty(writer.ref, batch);
  }

  retract(tenantId: string, payment: Payment): void {
    this.#change(tenantId, payment, this.#newestBatch, (writer) => writer.retract(this.#facts));
  }

  markLabel(tenantId: string, label: VelocityLabel, batch: number, wanted?: (key: Uint8Array) => boolean): void {
    this.#newestBatch = Math.max(this.#newestBatch, batch);
    const tenant = this.#tenant(tenantId);
    this.#change(tenantId, label.payment, batch, (writer) => {
      if (!writer.plan.hasLabel || wanted?.(this.#keyOf(tenant, writer.plan)) === false) return false;
      return writer.label(this.#facts, label.fraud);
    });
  }

  /** Applies a change to every entity the payment touches and that is there. */
  #change(tenantId: string, payment: Payment, batch: number, change: (writer: EntityWriter) => boolean): void {
    const tenant = this.#tenant(tenantId);
    this.#facts.load(payment);
    for (const writer of this.#writers) {
      const ref = hasKey(this.#facts, writer.plan) ? this.#findOrLoad(tenant, writer.plan) : 0;
      if (ref === 0) continue;
      writer.open(ref);
      if (change(writer)) this.#entities.markDirty(ref, batch);
    }
  }

  takeDirty(max: number, recordedBatch: number): DirtyEntity[] {
    const taken: DirtyEntity[] = [];
    this.#entities.queue.take(max, recordedBatch, (ref, batch) => {
      this.#entities.markClean(ref);
      taken.push({ ...this.#stored(ref), batch });
    });
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
    this.#entities.load(plan, this.#tenant(key.tenant), key.values, texts, entity.bytes, this.#facts);
  }

  #stored(ref: BlockRef): StoredEntity {
    const view = this.#entities.arena.view(ref);
    const at = this.#entities.arena.offset(ref);
    const { plan, cell } = this.#writers[view.getUint8(at + blockKindAt) - 1] as EntityWriter;
    this.#entities.open(ref, plan, cell);
    const tenant = this.#tenantNames[view.getUint16(at + blockTenantAt, true)] ?? '';
    const key = encodeKey(tenant, plan.kind, this.#entities.valuesOf(ref));
    return { key, bytes: cell.bytes.slice(cell.base, cell.base + cell.stateBytes()) };
  }

  #findOrLoad(tenant: number, plan: EntityPlan): BlockRef {
    const facts = this.#facts;
    const ref = this.#entities.find(facts, plan, tenant);
    if (ref !== 0 || !this.#askStorage || this.#options.loadMissing === undefined) return ref;
    const key = this.#keyOf(tenant, plan);
    const bytes = this.#options.loadMissing(key);
    if (bytes === undefined) return this.#entities.find(facts, plan, tenant);
    this.load({ key, bytes });
    return this.#entities.find(facts, plan, tenant);
  }

  /** Key of the entity that the loaded payment touches; its fields must be present. */
  #keyOf(tenant: number, plan: EntityPlan): Uint8Array {
    const values = encodeValues(plan.fields.map((field) => this.#facts.values[field] ?? ''));
    return encodeKey(this.#tenantNames[tenant] ?? '', plan.kind, values);
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
