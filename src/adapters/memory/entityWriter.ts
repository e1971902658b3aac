import { Accelerator } from '../../features/accelerator.ts';
import {
  acceleratedRecordsMin,
  invalidateAccelerator,
  tableSlotsMin,
  tablesBytes,
} from '../../features/acceleratorLayout.ts';
import { addLateToBucket, labelInBucket, removeFromBucket } from '../../features/buckets.ts';
import type { ValueSets } from '../../features/common.ts';
import { dropHistory, expiredRecords, foldOldest, foldingBytes } from '../../features/compaction.ts';
import { Evaluation } from '../../features/evaluation.ts';
import { type PaymentFacts, writeRecord } from '../../features/facts.ts';
import { FoldedWindows } from '../../features/folded.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import { type EntityPlan, fraudBit } from '../../features/plan.ts';
import { copyBytes, copyState, openRecord, removeRecord, setFlag, stateBytesOf } from '../../features/ring.ts';
import { amountWidths, headerBytes, noTime, StateCell } from '../../features/state.ts';
import type { BlockRef } from './arena.ts';
import type { Entities } from './entities.ts';
import { blockHeadBytes, blockKindAt, blockTablesAt, blockValueBytesAt } from './entityBlock.ts';

/** Room to grow a full entity gets: an eighth more records, half more where there are many. */
const growthShift = 3;
const acceleratedGrowthShift = 1;

/** Appends to, labels and reads the entities of one kind. The entity at hand is `ref`, opened in `cell`. */
export class EntityWriter {
  readonly plan: EntityPlan;
  readonly cell = new StateCell();
  ref: BlockRef = 0;
  readonly #entities: Entities;
  readonly #evaluation: Evaluation;
  readonly #accelerator: Accelerator;
  readonly #folded = new FoldedWindows();
  readonly #acceleratorBytes: number;
  /** Where the state's room ends: at the tables, or with the block. */
  #endAt = 0;
  /** Where the accelerator stands, 0 when the entity has none. */
  #acceleratorAt = 0;

  constructor(plan: EntityPlan, entities: Entities) {
    this.plan = plan;
    this.#entities = entities;
    this.#evaluation = new Evaluation(plan);
    this.#accelerator = new Accelerator(plan);
    // Nothing but a few cursors to keep: those are found by halving.
    this.#acceleratorBytes = plan.lanes.length > 0 ? this.#accelerator.layout.fixedBytes : 0;
  }

  open(ref: BlockRef): void {
    const { arena } = this.#entities;
    const view = arena.view(ref);
    const at = arena.offset(ref);
    const valuesEnd = at + blockHeadBytes + view.getUint16(at + blockValueBytesAt, true);
    const tables = view.getUint16(at + blockTablesAt, true);
    this.ref = ref;
    if (tables === 0) {
      this.#acceleratorAt = 0;
      this.#endAt = at + arena.size(ref);
      this.cell.open(this.plan, view, arena.bytes(ref), valuesEnd);
      return;
    }
    this.#acceleratorAt = valuesEnd;
    this.#endAt = at + 16 * tables;
    this.cell.open(this.plan, view, arena.bytes(ref), valuesEnd + this.#acceleratorBytes);
    this.#accelerator.open(this.cell, valuesEnd, this.#endAt);
  }

  /**
   * Reads a little of each part of a block that `append` will need, if it is an entity of this kind; what it answers
   * means nothing.
   */
  touch(ref: BlockRef, facts: PaymentFacts): number {
    const { arena } = this.#entities;
    const view = arena.view(ref);
    const at = arena.offset(ref);
    if (view.getUint8(at + blockKindAt) !== this.plan.index + 1) return 0;
    const tables = view.getUint16(at + blockTablesAt, true);
    const valuesEnd = at + blockHeadBytes + view.getUint16(at + blockValueBytesAt, true);
    const stateAt = valuesEnd + (tables === 0 ? 0 : this.#acceleratorBytes);
    const shape = view.getUint8(stateAt + 1);
    const stride = this.plan.amountAt + (shape & 7);
    const recordsAt = stateAt + headerBytes + ((shape >> 3) & 15) * this.plan.bucketBytes;
    // Where the next record goes; in a full block that ends its chunk, beyond it.
    const count = view.getUint16(stateAt + 2, true);
    const touched = view.getUint8(Math.min(view.byteLength - 1, recordsAt + stride * count));
    if (tables === 0) return touched;
    return touched + this.#accelerator.touch(view, valuesEnd, at + 16 * tables, recordsAt, stride, count, facts);
  }

  /** Counts the payment once, and leaves its evaluation ready for `write`. Answers whether the state changed. */
  append(facts: PaymentFacts): boolean {
    const { cell } = this;
    const { timeMs } = facts;
    const bound = cell.upperBound(timeMs);
    const known = cell.find(timeMs, facts.id, bound);
    this.#evaluation.folded = false;
    if (known >= 0) {
      this.#evaluation.run(cell, known);
      return false;
    }
    const full = !this.#fits(facts);
    if (full) this.#makeRoom(facts);
    // Making room may have folded records away, up to beyond the payment's own time.
    if (cell.folded && timeMs <= cell.completeSinceMs) return this.#appendFolded(facts);
    this.#insert(full ? cell.upperBound(timeMs) : bound, facts);
    return true;
  }

  /** Writes the features of the payment last appended into row `row` (an offset) of the matrix. */
  write(out: FeatureMatrix, row: number, sets?: ValueSets): void {
    const { cell } = this;
    const evaluation = this.#evaluation;
    if (sets !== undefined) evaluation.gather(cell, sets);
    const reachesBack = cell.folded && (evaluation.folded || this.#reachesBeyondRecords());
    if (reachesBack) {
      this.#folded.write(cell, evaluation, out.values, out.bounds, row);
      return;
    }
    evaluation.write(cell, out.values, row);
    const { featureIndexes } = this.plan;
    for (let i = 0; i < featureIndexes.length; i++) out.bounds[row + (featureIndexes[i] as number)] = 0;
  }

  #reachesBeyondRecords(): boolean {
    const { cell } = this;
    // The first record's predecessor is no record either (`sinceLast`).
    return this.#evaluation.end === 1 || this.#evaluation.timeMs - this.plan.reachMs < cell.completeSinceMs;
  }

  /** Takes the payment out. Answers whether the state changed. */
  retract(facts: PaymentFacts): boolean {
    const { cell } = this;
    const position = cell.find(facts.timeMs, facts.id, cell.upperBound(facts.timeMs));
    if (position < 0) {
      return cell.folded && facts.timeMs <= cell.completeSinceMs && removeFromBucket(cell, facts);
    }
    removeRecord(cell, position);
    this.#invalidate();
    if (!cell.folded && cell.firstSeenMs === facts.timeMs) {
      cell.firstSeenMs = cell.count === 0 ? noTime : cell.timeAt(0);
    }
    return true;
  }

  /** Sets the payment's label. Answers whether the state changed. */
  label(facts: PaymentFacts, fraud: boolean): boolean {
    const { cell } = this;
    const position = cell.find(facts.timeMs, facts.id, cell.upperBound(facts.timeMs));
    if (position < 0) {
      return cell.bucketCount > 0 && facts.timeMs <= cell.completeSinceMs && labelInBucket(cell, facts, fraud);
    }
    if (!setFlag(cell, position, fraudBit, fraud)) return false;
    if (this.#acceleratorAt !== 0 && this.#accelerator.valid) this.#accelerator.labelled(position, fraud);
    return true;
  }

  /** Puts the payment at its place and evaluates it there. */
  #insert(position: number, facts: PaymentFacts): void {
    const { cell } = this;
    const accelerated = this.#acceleratorAt !== 0;
    const valid = accelerated && this.#accelerator.valid;
    openRecord(cell, position);
    writeRecord(cell, position, facts);
    if (position === 0) this.#seen(facts.timeMs);
    if (valid) this.#accelerator.inserted(position);
    if (!accelerated || position < cell.count - 1) {
      this.#evaluation.run(cell, position);
      // Late payments bring values too: in a table without a free slot the next one would be looked for without end.
      if (valid && this.#accelerator.crowded) this.#enlargeTables();
      return;
    }
    if (!valid) while (!this.#accelerator.rebuild(this.#evaluation)) this.#enlargeTables();
    this.#accelerator.read(this.#evaluation);
    if (this.#accelerator.crowded) this.#enlargeTables();
  }

  #enlargeTables(): void {
    this.#resize(this.cell.count, this.cell.amountBytes, 0, 2 * this.#accelerator.slots);
  }

  #invalidate(): void {
    if (this.#acceleratorAt !== 0) this.#accelerator.invalidate();
  }

  /** A payment of a time that is no longer kept as records: it goes to its bucket, or counts only for itself. */
  #appendFolded(facts: PaymentFacts): boolean {
    const { cell } = this;
    const evaluation = this.#evaluation;
    const { timeMs } = facts;
    evaluation.folded = true;
    evaluation.first = timeMs < cell.firstSeenMs;
    this.#seen(timeMs);
    if (addLateToBucket(cell, facts)) {
      evaluation.runAt(cell, timeMs, cell.upperBound(timeMs));
      return true;
    }
    // Its time was dropped: as a record for the moment, so that its own windows hold at least itself.
    this.#invalidate();
    const position = cell.upperBound(timeMs);
    openRecord(cell, position);
    writeRecord(cell, position, facts);
    evaluation.run(cell, position);
    removeRecord(cell, position);
    return true;
  }

  #seen(timeMs: number): void {
    const firstSeenMs = this.cell.firstSeenMs;
    if (firstSeenMs === noTime || timeMs < firstSeenMs) this.cell.firstSeenMs = timeMs;
  }

  /** Whether one more record fits as things are, its amount included. */
  #fits(facts: PaymentFacts): boolean {
    const { cell, plan } = this;
    if (plan.hasAmount && facts.amountBytes > cell.amountBytes) return false;
    // A full ring folds although the block has room.
    if (cell.count >= plan.ringEventsMax) return false;
    return cell.recordsAt + (cell.count + 1) * cell.stride <= this.#endAt;
  }

  /** Sees to it that one more record fits, with an amount as wide as the payment's; folds what the ring cannot hold. */
  #makeRoom(facts: PaymentFacts): void {
    const { cell, plan } = this;
    const width = plan.hasAmount ? Math.max(cell.amountBytes, facts.amountBytes) : 0;
    const newestMs = cell.count === 0 ? facts.timeMs : Math.max(facts.timeMs, cell.timeAt(cell.count - 1));
    const expired = expiredRecords(cell, newestMs);
    if (expired > 0) {
      dropHistory(cell, expired);
      if (this.#acceleratorAt !== 0) this.#accelerator.forgot(expired);
    } else if (cell.count >= plan.ringEventsMax) {
      if (cell.base + foldingBytes(cell) > this.#endAt) this.#resize(cell.count + 1, width, 1);
      foldOldest(cell, newestMs);
      this.#invalidate();
    }
    if (!this.#fits(facts)) this.#resize(cell.count + 1, width, 0);
  }

  /** Moves the entity to a larger block: room for so many records and some more, and for so many more buckets. */
  #resize(records: number, width: number, moreBuckets: number, wantedSlots = 0): void {
    const { cell, plan } = this;
    const { arena } = this.#entities;
    // Larger tables are for running totals that there are, however few records are left of those that they began with.
    const many = records >= acceleratedRecordsMin || wantedSlots > 0;
    const accelerated = this.#acceleratorBytes > 0 && many && width !== amountWidths.wide;
    const spare = records >> (accelerated ? acceleratedGrowthShift : growthShift);
    const wanted = Math.min(records + spare, Math.max(records, plan.ringEventsMax));
    const stateBytes = stateBytesOf(plan.bucketBytes, cell.bucketCount + moreBuckets, wanted, plan.amountAt + width);
    const from = this.ref;
    const fromAt = arena.offset(from);
    const headBytes = blockHeadBytes + arena.view(from).getUint16(fromAt + blockValueBytesAt, true);
    const stateAt = headBytes + (accelerated ? this.#acceleratorBytes : 0);
    const tablesAt = accelerated ? (stateAt + stateBytes + 15) & ~15 : 0;
    const slots = Math.max(this.#acceleratorAt === 0 ? tableSlotsMin : this.#accelerator.slots, wantedSlots);
    const tableBytes = tablesBytes(this.#accelerator.layout, slots);
    const to = arena.allocate(accelerated ? tablesAt + tableBytes : stateAt + stateBytes);
    const at = arena.offset(to);
    copyBytes(arena.bytes(from), fromAt, arena.bytes(to), at, headBytes);
    arena.view(to).setUint16(at + blockTablesAt, tablesAt >>> 4, true);
    if (accelerated && this.#acceleratorAt !== 0 && slots === this.#accelerator.slots) {
      // What it says of records by their number holds wherever they stand.
      copyBytes(cell.bytes, this.#acceleratorAt, arena.bytes(to), at + headBytes, this.#acceleratorBytes);
      copyBytes(cell.bytes, this.#endAt, arena.bytes(to), at + tablesAt, tableBytes);
    } else if (accelerated) invalidateAccelerator(arena.view(to), at + headBytes, slots);
    copyState(cell, arena.view(to), arena.bytes(to), at + stateAt, width);
    this.#entities.moved(from, to);
    arena.free(from);
    this.open(to);
  }
}
