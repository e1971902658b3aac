import { addLateToBucket, labelInBucket, removeFromBucket } from '../../features/buckets.ts';
import type { ValueSets } from '../../features/common.ts';
import { dropHistory, expiredRecords, foldingBytes, foldOldest } from '../../features/compaction.ts';
import { Evaluation } from '../../features/evaluation.ts';
import { type PaymentFacts, writeRecord } from '../../features/facts.ts';
import { FoldedWindows } from '../../features/folded.ts';
import type { FeatureMatrix } from '../../features/frame.ts';
import { type EntityPlan, fraudBit, recordIdAt } from '../../features/plan.ts';
import { copyState, openRecord, removeRecord, setFlag } from '../../features/ring.ts';
import { noTime, readTime, StateCell } from '../../features/state.ts';
import type { EntityCopy } from './entityCopy.ts';
import { RecordFacts } from './recordFacts.ts';

/**
 * Puts records into the copy of one entity at a time and reads its features, by the same code and in the same order of
 * arrival as the embedded store: what a tail means follows from the value alone, whoever reads it and however often it
 * was compacted. A ring that is full gives away what no window needs, else folds, at the very record that fills it.
 */
export class StateWriter {
  readonly plan: EntityPlan;
  readonly cell = new StateCell();
  readonly #evaluation: Evaluation;
  readonly #folded = new FoldedWindows();
  readonly #facts = new RecordFacts();
  #copy!: EntityCopy;

  constructor(plan: EntityPlan) {
    this.plan = plan;
    this.#evaluation = new Evaluation(plan);
  }

  open(copy: EntityCopy): void {
    this.#copy = copy;
    this.cell.open(this.plan, copy.view, copy.bytes, 0);
  }

  /**
   * Puts in a record as it stands at `at` of other bytes, its amount as wide as all are in Redis. With `evaluate`, its
   * features are then there for `write`.
   */
  append(bytes: Uint8Array, view: DataView, at: number, evaluate: boolean): void {
    const { cell, plan } = this;
    const timeMs = readTime(view, at);
    const asItIs = cell.amountBytes === this.#copy.rawAmountBytes;
    if (cell.count >= plan.ringEventsMax) this.#makeRoom(timeMs);
    if (!asItIs) this.#load(view, at);
    this.#evaluation.folded = false;
    if (cell.folded && timeMs <= cell.completeSinceMs) {
      if (asItIs) this.#load(view, at);
      this.#appendFolded(evaluate);
      return;
    }
    this.#reserve(cell.stateBytes() + cell.stride);
    const position = cell.upperBound(timeMs);
    openRecord(cell, position);
    if (asItIs) copyRecord(bytes, at, cell.bytes, cell.recordsAt + position * cell.stride, cell.stride);
    else writeRecord(cell, position, this.#facts);
    if (position === 0) this.#seen(timeMs);
    if (evaluate) this.#evaluation.run(cell, position);
  }

  /** Evaluates an event that was appended before, by the time and id at `at` of other bytes. */
  evaluateKnown(view: DataView, at: number): void {
    const { cell } = this;
    const evaluation = this.#evaluation;
    const timeMs = readTime(view, at);
    const bound = cell.upperBound(timeMs);
    const known = cell.find(timeMs, view.getInt32(at + recordIdAt, true), bound);
    evaluation.folded = known < 0;
    if (known >= 0) {
      evaluation.run(cell, known);
      return;
    }
    // Folded since; whether others came before it at the same moment can no longer be told.
    evaluation.first = false;
    evaluation.runAt(cell, timeMs, bound);
  }

  /** Writes the features last evaluated into row `row` (an offset) of the matrix. */
  write(out: FeatureMatrix, row: number, sets?: ValueSets): void {
    const { cell } = this;
    const evaluation = this.#evaluation;
    if (sets !== undefined) evaluation.gather(cell, sets);
    if (cell.folded && (evaluation.folded || this.#reachesBeyondRecords())) {
      this.#folded.write(cell, evaluation, out.values, out.bounds, row);
      return;
    }
    evaluation.write(cell, out.values, row);
    const { featureIndexes } = this.plan;
    for (let i = 0; i < featureIndexes.length; i++) out.bounds[row + (featureIndexes[i] as number)] = 0;
  }

  /** Takes the payment out. @param recordsOnly not from a bucket: it may never have come here */
  retract(facts: PaymentFacts, recordsOnly: boolean): boolean {
    const { cell } = this;
    const position = cell.find(facts.timeMs, facts.id, cell.upperBound(facts.timeMs));
    if (position < 0) {
      if (recordsOnly || !cell.folded || facts.timeMs > cell.completeSinceMs) return false;
      return removeFromBucket(cell, facts);
    }
    removeRecord(cell, position);
    if (!cell.folded && cell.firstSeenMs === facts.timeMs) {
      cell.firstSeenMs = cell.count === 0 ? noTime : cell.timeAt(0);
    }
    return true;
  }

  /** Sets the payment's label. Answers whether the state changed. */
  label(facts: PaymentFacts, fraud: boolean): boolean {
    const { cell } = this;
    const position = cell.find(facts.timeMs, facts.id, cell.upperBound(facts.timeMs));
    if (position >= 0) return setFlag(cell, position, fraudBit, fraud);
    return cell.bucketCount > 0 && facts.timeMs <= cell.completeSinceMs && labelInBucket(cell, facts, fraud);
  }

  /** Forgets what no window needs, where that is worth it. */
  expire(): void {
    const { cell } = this;
    if (cell.count === 0) return;
    const expired = expiredRecords(cell, cell.timeAt(cell.count - 1));
    if (expired > 0) dropHistory(cell, expired);
  }

  /** Reads a record, and makes the amounts here as wide as it needs. */
  #load(view: DataView, at: number): void {
    const { cell, plan } = this;
    const facts = this.#facts;
    facts.loadRecord(plan, view, at, this.#copy.rawAmountBytes);
    if (!plan.hasAmount || facts.amountBytes <= cell.amountBytes) return;
    const bytes = new Uint8Array(cell.stateBytes() + cell.count * (facts.amountBytes - cell.amountBytes));
    const view2 = new DataView(bytes.buffer);
    copyState(cell, view2, bytes, 0, facts.amountBytes);
    this.#copy.bytes = bytes;
    this.#copy.view = view2;
    this.open(this.#copy);
  }

  #reachesBeyondRecords(): boolean {
    const { cell } = this;
    // The first record's predecessor is no record either (`sinceLast`).
    return this.#evaluation.end === 1 || this.#evaluation.timeMs - this.plan.reachMs < cell.completeSinceMs;
  }

  #makeRoom(timeMs: number): void {
    const { cell } = this;
    const newestMs = Math.max(timeMs, cell.timeAt(cell.count - 1));
    const expired = expiredRecords(cell, newestMs);
    if (expired > 0) {
      dropHistory(cell, expired);
      return;
    }
    this.#reserve(foldingBytes(cell));
    foldOldest(cell, newestMs);
  }

  /** An event of a time that is no longer kept as records: it goes to its bucket, or counts only for itself. */
  #appendFolded(evaluate: boolean): void {
    const { cell } = this;
    const facts = this.#facts;
    const evaluation = this.#evaluation;
    const { timeMs } = facts;
    evaluation.folded = true;
    evaluation.first = timeMs < cell.firstSeenMs;
    this.#seen(timeMs);
    if (addLateToBucket(cell, facts)) {
      if (evaluate) evaluation.runAt(cell, timeMs, cell.upperBound(timeMs));
      return;
    }
    if (!evaluate) return;
    // Its time was dropped: as a record for the moment, so that its own windows hold at least itself.
    this.#reserve(cell.stateBytes() + cell.stride);
    const position = cell.upperBound(timeMs);
    openRecord(cell, position);
    writeRecord(cell, position, facts);
    evaluation.run(cell, position);
    removeRecord(cell, position);
  }

  #seen(timeMs: number): void {
    const { firstSeenMs } = this.cell;
    if (firstSeenMs === noTime || timeMs < firstSeenMs) this.cell.firstSeenMs = timeMs;
  }

  #reserve(stateBytes: number): void {
    if (this.#copy.reserve(stateBytes)) this.open(this.#copy);
  }
}

/** Records are short: a view of them would cost more than the copy. */
function copyRecord(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) to[toAt + i] = from[fromAt + i] as number;
}
