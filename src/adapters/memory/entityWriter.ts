import { Accelerator, invalidateAccelerator } from '../../features/accelerator.ts';
import { acceleratedRecordsMin, acceleratorBytes } from '../../features/acceleratorLayout.ts';
import { addLateToBucket, labelInBucket, removeFromBucket } from '../../features/buckets.ts';
import { dropHistory, expiredRecords, foldOldest, foldingBytes } from '../../features/compaction.ts';
import { Evaluation } from '../../features/evaluation.ts';
import { type PaymentFacts, writeRecord } from '../../features/facts.ts';
import { FoldedWindows } from '../../features/folded.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import { type EntityPlan, fraudBit } from '../../features/plan.ts';
import { openRecord, removeRecord, setFlag, stateBytesOf } from '../../features/ring.ts';
import { amountWidth, noTime, StateCell } from '../../features/state.ts';
import type { BlockRef } from './arena.ts';
import type { Entities } from './entities.ts';

/** Room to grow a full entity gets: an eighth more records, a quarter more where an accelerator must be rebuilt. */
const growthShift = 3;
const acceleratedGrowthShift = 2;

/** Appends to, labels and reads the entities of one kind. The entity at hand is `ref`, opened in `cell`. */
export class EntityWriter {
  readonly plan: EntityPlan;
  readonly cell = new StateCell();
  ref: BlockRef = 0;
  readonly #entities: Entities;
  readonly #evaluation: Evaluation;
  readonly #accelerator: Accelerator;
  readonly #folded = new FoldedWindows();
  /** A plan without lanes needs no accelerator: its cursors are found by halving. */
  readonly #accelerates: boolean;

  constructor(plan: EntityPlan, entities: Entities) {
    this.plan = plan;
    this.#entities = entities;
    this.#evaluation = new Evaluation(plan);
    this.#accelerator = new Accelerator(plan);
    this.#accelerates = plan.boundaries.length > 0;
  }

  open(ref: BlockRef): void {
    this.ref = ref;
    this.#entities.open(ref, this.plan, this.cell);
  }

  /** Counts the payment once, and leaves its evaluation ready for `write`. Answers whether the state changed. */
  append(facts: PaymentFacts): boolean {
    const { cell } = this;
    const { timeMs } = facts;
    const bound = cell.upperBound(timeMs);
    const known = cell.find(timeMs, facts.id, bound);
    this.#evaluation.folded = false;
    if (known >= 0) {
      this.#evaluate(known);
      return false;
    }
    this.#makeRoom(facts);
    // Making room may have folded records away, up to beyond the payment's own time.
    if (cell.folded && timeMs <= cell.completeSinceMs) return this.#appendFolded(facts);
    const position = cell.upperBound(timeMs);
    this.#insert(position, facts);
    this.#seen(timeMs);
    this.#evaluate(position);
    return true;
  }

  /** Writes the features of the payment last appended into row `row` (an offset) of the matrix. */
  write(out: FeatureMatrix, row: number): void {
    const { cell } = this;
    const evaluation = this.#evaluation;
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
    const at = this.#entities.acceleratorAt(this.ref);
    if (at !== 0) {
      this.#accelerator.open(cell, at);
      if (this.#accelerator.valid) this.#accelerator.labelled(position, cell.flagsAt(position), fraud);
    }
    return true;
  }

  #insert(position: number, facts: PaymentFacts): void {
    const { cell } = this;
    const at = this.#entities.acceleratorAt(this.ref);
    let wasValid = false;
    if (at !== 0) {
      this.#accelerator.open(cell, at);
      wasValid = this.#accelerator.valid;
    }
    openRecord(cell, position);
    writeRecord(cell, position, facts);
    if (wasValid) this.#accelerator.inserted(position);
  }

  #evaluate(position: number): void {
    const { cell } = this;
    const at = this.#entities.acceleratorAt(this.ref);
    if (at === 0) {
      this.#evaluation.run(cell, position);
      return;
    }
    this.#accelerator.open(cell, at);
    if (!this.#accelerator.valid) this.#accelerator.rebuild(this.#evaluation);
    this.#accelerator.evaluate(position, this.#evaluation);
  }

  #invalidate(): void {
    const at = this.#entities.acceleratorAt(this.ref);
    if (at === 0) return;
    this.#accelerator.open(this.cell, at);
    this.#accelerator.invalidate();
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

  /** Sees to it that one more record fits, with an amount as wide as the payment's; folds what the ring cannot hold. */
  #makeRoom(facts: PaymentFacts): void {
    const { cell, plan } = this;
    const width = plan.hasAmount ? Math.max(cell.amountBytes, amountWidth(facts.amountMinor)) : 0;
    if (width === cell.amountBytes && this.#fits()) return;
    const newestMs = cell.count === 0 ? facts.timeMs : Math.max(facts.timeMs, cell.timeAt(cell.count - 1));
    const expired = expiredRecords(cell, newestMs);
    if (expired > 0) {
      dropHistory(cell, expired);
      this.#invalidate();
    } else if (cell.count >= plan.ringEventsMax) {
      if (cell.base + foldingBytes(cell) > this.#entities.stateEnd(this.ref)) this.#resize(cell.count + 1, width, 1);
      foldOldest(cell, newestMs);
      this.#invalidate();
    }
    if (width !== cell.amountBytes || !this.#fits()) this.#resize(cell.count + 1, width, 0);
  }

  #fits(): boolean {
    const { cell } = this;
    const accelerator = this.#entities.acceleratorAt(this.ref);
    if (accelerator !== 0 && cell.count >= cell.view.getUint16(accelerator, true)) return false;
    // Checked where it matters: a full ring folds although the block has room.
    if (cell.count >= this.plan.ringEventsMax) return false;
    return cell.base + cell.stateBytes() + cell.stride <= this.#entities.stateEnd(this.ref);
  }

  /** Moves the entity to a larger block: room for so many records and some more, and for so many more buckets. */
  #resize(records: number, width: number, moreBuckets: number): void {
    const { cell, plan } = this;
    const accelerated = this.#accelerates && records >= acceleratedRecordsMin;
    const spare = records >> (accelerated ? acceleratedGrowthShift : growthShift);
    const wanted = Math.min(records + spare, Math.max(records, plan.ringEventsMax));
    const stride = plan.amountAt + width;
    const buckets = cell.bucketCount + moreBuckets;
    const bytes = stateBytesOf(plan.bucketBytes, buckets, wanted, stride);
    const layout = this.#accelerator.layout;
    this.ref = this.#entities.resize(this.ref, cell, bytes, accelerated ? acceleratorBytes(layout, wanted) : 0, width);
    const at = this.#entities.acceleratorAt(this.ref);
    if (at !== 0) invalidateAccelerator(cell.view, at, wanted);
  }
}
