import type { PaymentFacts } from '../../features/facts.ts';
import { columnCode } from '../../features/fields.ts';
import type { EntityPlan } from '../../features/plan.ts';
import { copyState } from '../../features/ring.ts';
import { headerBytes, type StateCell } from '../../features/state.ts';
import { Arena, type BlockRef } from './arena.ts';
import { DirtyQueue } from './dirtyQueue.ts';
import {
  blockAcceleratorAt,
  blockDirtyAt,
  blockFlagsAt,
  blockHashAt,
  blockHeadBytes,
  blockKindAt,
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
  #hash = 0;
  #evictAt = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get residentBytes(): number {
    return this.arena.reservedBytes + this.table.bytes + this.queue.bytes;
  }

  /** The entity of this kind that the payment touches, 0 when there is none yet. All its key fields must be present. */
  find(facts: PaymentFacts, plan: EntityPlan, tenant: number): BlockRef {
    const hash = keyHash(facts, plan, tenant, this.#seed);
    this.#hash = hash;
    const { arena, table } = this;
    for (let ref = table.first(hash); ref !== 0; ref = table.next()) {
      const view = arena.view(ref);
      const at = arena.offset(ref);
      if (view.getUint8(at + blockKindAt) !== plan.index + 1 || view.getUint16(at + blockTenantAt, true) !== tenant) {
        continue;
      }
      const valueBytes = view.getUint16(at + blockValueBytesAt, true);
      if (!sameValues(arena.bytes(ref), at + blockHeadBytes, valueBytes, plan, facts)) continue;
      view.setUint8(at + blockFlagsAt, view.getUint8(at + blockFlagsAt) | referencedFlag);
      return ref;
    }
    return 0;
  }

  /** Makes the entity that `find` has just not found, without events. */
  create(facts: PaymentFacts, plan: EntityPlan, tenant: number, cell: StateCell): BlockRef {
    const values = encodeValues(plan.fields.map((field) => facts.values[field] ?? ''));
    const stateBytes = headerBytes + initialRecords * (plan.amountAt + (plan.hasAmount ? 3 : 0));
    const ref = this.#insert(this.#hash, plan, tenant, values, stateBytes);
    cell.create(plan, this.arena.view(ref), this.arena.bytes(ref), this.stateAt(ref));
    return ref;
  }

  /** Puts an entity in as it was stored; the caller has checked that the bytes are of this plan. */
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
    const existing = this.find(facts, plan, tenant);
    if (existing !== 0) this.drop(existing);
    const ref = this.#insert(this.#hash, plan, tenant, values, state.length);
    this.arena.bytes(ref).set(state, this.stateAt(ref));
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
    view.setUint16(at + blockAcceleratorAt, 0, true);
    arena.bytes(ref).set(values, at + blockHeadBytes);
    this.table.insert(hash, ref);
    return ref;
  }

  open(ref: BlockRef, plan: EntityPlan, cell: StateCell): void {
    cell.open(plan, this.arena.view(ref), this.arena.bytes(ref), this.stateAt(ref));
  }

  stateAt(ref: BlockRef): number {
    const at = this.arena.offset(ref);
    return at + blockHeadBytes + this.arena.view(ref).getUint16(at + blockValueBytesAt, true);
  }

  /** Where the accelerator stands, 0 when the entity has none. */
  acceleratorAt(ref: BlockRef): number {
    const at = this.arena.offset(ref);
    const units = this.arena.view(ref).getUint16(at + blockAcceleratorAt, true);
    return units === 0 ? 0 : at + units * 16;
  }

  /** One past the last byte that the state may take. */
  stateEnd(ref: BlockRef): number {
    const accelerator = this.acceleratorAt(ref);
    return accelerator === 0 ? this.arena.offset(ref) + this.arena.size(ref) : accelerator;
  }

  valuesOf(ref: BlockRef): Uint8Array {
    const at = this.arena.offset(ref) + blockHeadBytes;
    return this.arena.bytes(ref).slice(at, this.stateAt(ref));
  }

  /**
   * Moves an entity to a block with room for `stateBytes` and `acceleratorBytes`, its amounts as wide as told, and
   * opens it there. Answers the new reference.
   */
  resize(ref: BlockRef, cell: StateCell, stateBytes: number, acceleratorBytes: number, amountBytes: number): BlockRef {
    const { arena } = this;
    const headBytes = this.stateAt(ref) - arena.offset(ref);
    const aligned = acceleratorBytes === 0 ? 0 : (headBytes + stateBytes + 15) & ~15;
    const to = arena.allocate(acceleratorBytes === 0 ? headBytes + stateBytes : aligned + acceleratorBytes);
    const at = arena.offset(to);
    arena.bytes(to).set(arena.bytes(ref).subarray(arena.offset(ref), arena.offset(ref) + headBytes), at);
    arena.view(to).setUint16(at + blockAcceleratorAt, aligned >>> 4, true);
    copyState(cell, arena.view(to), arena.bytes(to), at + headBytes, amountBytes);
    this.#moved(ref, to);
    arena.free(ref);
    this.open(to, cell.plan, cell);
    return to;
  }

  /** Tells everyone who knows the old reference; the block's content must already be at the new one. */
  #moved(from: BlockRef, to: BlockRef): void {
    const view = this.arena.view(to);
    const at = this.arena.offset(to);
    this.table.replace(view.getInt32(at + blockHashAt, true), from, to);
    const entry = view.getInt32(at + blockDirtyAt, true);
    if (entry !== 0) this.queue.moved(entry - 1, to);
  }

  /** Gives memory of outgrown size classes back; no reference may be held across it. */
  tidy(): void {
    if (this.arena.crowded) this.arena.evacuate((from, to) => this.#moved(from, to));
  }

  markDirty(ref: BlockRef, batch: number): void {
    const view = this.arena.view(ref);
    const at = this.arena.offset(ref) + blockDirtyAt;
    const entry = view.getInt32(at, true);
    if (entry === 0) view.setInt32(at, this.queue.push(ref, batch) + 1, true);
    else this.queue.changed(entry - 1, batch);
  }

  markClean(ref: BlockRef): void {
    this.arena.view(ref).setInt32(this.arena.offset(ref) + blockDirtyAt, 0, true);
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
      const flags = view.getUint8(at);
      if ((flags & referencedFlag) !== 0) view.setUint8(at, flags & ~referencedFlag);
      else if (!this.isDirty(ref)) {
        this.drop(ref);
        this.#evictAt--;
        dropped++;
      }
    }
    return dropped;
  }
}
