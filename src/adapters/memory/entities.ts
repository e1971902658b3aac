import type { PaymentFacts } from '../../features/facts.ts';
import { columnCode } from '../../features/fields.ts';
import type { EntityPlan } from '../../features/plan.ts';
import { headerBytes, type StateCell } from '../../features/state.ts';
import { Arena, type BlockRef } from './arena.ts';
import { DirtyQueue } from './dirtyQueue.ts';
import {
  blockBatchAt,
  blockDirtyAt,
  blockFlagsAt,
  blockHashAt,
  blockHeadBytes,
  blockKindAt,
  blockTablesAt,
  blockTenantAt,
  blockValueBytesAt,
  encodeValues,
  keyHash,
  referencedFlag,
  sameValues,
} from './entityBlock.ts';
import { KeyTable } from './keyTable.ts';

/** A new entity gets room for so many records at once. */
const initialRecords = 2;

/** All entities of a store: blocks in the arena, found by key, with those that changed queued. */
export class Entities {
  readonly arena = new Arena();
  readonly table = new KeyTable();
  readonly queue = new DirtyQueue();
  readonly #seed: number;
  #evictAt = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get residentBytes(): number {
    return this.arena.reservedBytes + this.table.bytes + this.queue.bytes;
  }

  /** All key fields of the plan must be present. */
  hash(facts: PaymentFacts, plan: EntityPlan, tenant: number): number {
    return keyHash(facts, plan, tenant, this.#seed);
  }

  /** The entity of this kind that the payment touches, 0 when there is none yet. */
  find(hash: number, facts: PaymentFacts, plan: EntityPlan, tenant: number): BlockRef {
    const { table } = this;
    for (let ref = table.first(hash); ref !== 0; ref = table.next()) {
      if (this.matches(ref, facts, plan, tenant)) return ref;
    }
    return 0;
  }

  /** Whether the block is the entity that the payment touches; it then counts as used. */
  matches(ref: BlockRef, facts: PaymentFacts, plan: EntityPlan, tenant: number): boolean {
    const view = this.arena.view(ref);
    const at = this.arena.offset(ref);
    if (view.getUint8(at + blockKindAt) !== plan.index + 1 || view.getUint16(at + blockTenantAt, true) !== tenant) {
      return false;
    }
    const valueBytes = view.getUint16(at + blockValueBytesAt, true);
    if (!sameValues(this.arena.bytes(ref), at + blockHeadBytes, valueBytes, plan, facts)) return false;
    if (view.getUint8(at + blockFlagsAt) !== referencedFlag) view.setUint8(at + blockFlagsAt, referencedFlag);
    return true;
  }

  /** Makes the entity that `find` has just not found, without events. */
  create(hash: number, facts: PaymentFacts, plan: EntityPlan, tenant: number, cell: StateCell): BlockRef {
    const values = encodeValues(plan, facts);
    const stateBytes = headerBytes + initialRecords * (plan.amountAt + (plan.hasAmount ? 3 : 0));
    const ref = this.#insert(hash, plan, tenant, values, stateBytes);
    const stateAt = this.arena.offset(ref) + blockHeadBytes + values.length;
    cell.create(plan, this.arena.view(ref), this.arena.bytes(ref), stateAt);
    return ref;
  }

  /** Puts an entity in as it was stored; the caller has checked that the bytes are of this plan. `facts` is overwritten. */
  load(
    plan: EntityPlan,
    tenant: number,
    values: Uint8Array,
    texts: readonly string[],
    state: Uint8Array,
    facts: PaymentFacts,
  ): void {
    plan.fields.forEach((field, i) => {
      facts.values[field] = texts[i];
      facts.codes[field] = columnCode(field, texts[i] ?? '');
    });
    const hash = this.hash(facts, plan, tenant);
    const existing = this.find(hash, facts, plan, tenant);
    if (existing !== 0) this.drop(existing);
    const ref = this.#insert(hash, plan, tenant, values, state.length);
    this.arena.bytes(ref).set(state, this.arena.offset(ref) + blockHeadBytes + values.length);
  }

  #insert(hash: number, plan: EntityPlan, tenant: number, values: Uint8Array, stateBytes: number): BlockRef {
    const { arena } = this;
    const ref = arena.allocate(blockHeadBytes + values.length + stateBytes);
    const view = arena.view(ref);
    const at = arena.offset(ref);
    view.setUint8(at + blockKindAt, plan.index + 1);
    view.setUint8(at + blockFlagsAt, referencedFlag);
    view.setUint16(at + blockTenantAt, tenant, true);
    view.setInt32(at + blockHashAt, hash, true);
    view.setInt32(at + blockDirtyAt, 0, true);
    view.setUint16(at + blockValueBytesAt, values.length, true);
    view.setUint16(at + blockTablesAt, 0, true);
    view.setFloat64(at + blockBatchAt, 0, true);
    arena.bytes(ref).set(values, at + blockHeadBytes);
    this.table.insert(hash, ref);
    return ref;
  }

  /** Tells everyone who knows the old reference; the block's content must already be at the new one. */
  moved(from: BlockRef, to: BlockRef): void {
    const view = this.arena.view(to);
    const at = this.arena.offset(to);
    this.table.replace(view.getInt32(at + blockHashAt, true), from, to);
    const entry = view.getInt32(at + blockDirtyAt, true);
    if (entry !== 0) this.queue.moved(entry - 1, to);
  }

  /** Gives memory of outgrown size classes back; no reference may be held across it. */
  tidy(): void {
    if (this.arena.crowded) this.arena.evacuate((from, to) => this.moved(from, to));
  }

  markDirty(ref: BlockRef, batch: number): void {
    const view = this.arena.view(ref);
    const at = this.arena.offset(ref);
    if (view.getInt32(at + blockDirtyAt, true) === 0) {
      view.setInt32(at + blockDirtyAt, this.queue.push(ref, batch) + 1, true);
      view.setFloat64(at + blockBatchAt, batch, true);
    } else if (batch > view.getFloat64(at + blockBatchAt, true)) view.setFloat64(at + blockBatchAt, batch, true);
  }

  /** Marks up to `max` entities clean whose last change belongs to a batch ≤ `recordedBatch`, and hands each out. */
  take(max: number, recordedBatch: number, taken: (ref: BlockRef, batch: number) => void): void {
    this.queue.take(max, (ref) => {
      const view = this.arena.view(ref);
      const at = this.arena.offset(ref);
      const batch = view.getFloat64(at + blockBatchAt, true);
      if (batch > recordedBatch) return false;
      view.setInt32(at + blockDirtyAt, 0, true);
      taken(ref, batch);
      return true;
    });
  }

  isDirty(ref: BlockRef): boolean {
    return this.arena.view(ref).getInt32(this.arena.offset(ref) + blockDirtyAt, true) !== 0;
  }

  /** Forgets a clean entity. */
  drop(ref: BlockRef): void {
    if (this.isDirty(ref)) throw new Error('an entity with changes that were not taken cannot be dropped');
    this.table.remove(this.arena.view(ref).getInt32(this.arena.offset(ref) + blockHashAt, true), ref);
    this.arena.free(ref);
  }

  /** Looks at up to `slots` entities in turn and drops those that are clean and were not used since the last look. */
  evict(slots: number): number {
    let dropped = 0;
    for (let n = 0; n < slots; n++) {
      if (this.#evictAt >= this.table.slotCount) this.#evictAt = 0;
      const ref = this.table.refAt(this.#evictAt++);
      if (ref === 0) continue;
      const view = this.arena.view(ref);
      const at = this.arena.offset(ref) + blockFlagsAt;
      if (view.getUint8(at) === referencedFlag) view.setUint8(at, 0);
      else if (!this.isDirty(ref)) {
        this.drop(ref);
        this.#evictAt--;
        dropped++;
      }
    }
    return dropped;
  }
}
