/** The buffers of one micro-batch, made once for a release and used again and again. */
import { createFeatureMatrix, Frame } from '../features/frame.ts';
import type { FeatureMatrix } from '../features/frame.ts';
import type { Payment } from '../domain/payment.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import type { RuleHits } from '../rules/types.ts';

export class Batch {
  readonly release: CompiledRelease;
  readonly capacity: number;
  readonly features: FeatureMatrix;
  readonly frame: Frame;
  /** NaN where the model did not score. */
  probabilities: Float64Array;
  hits: RuleHits;
  /** What a scoring worker writes: probabilities, then rule words. */
  outputShared: SharedArrayBuffer;
  /** A worker that came too late may still write here: never used again. */
  abandoned = false;
  /** Degraded stages of each row, as bits (serialise.ts). */
  readonly degraded: Int32Array;
  /** 1 where the decision is to hold. */
  readonly held: Uint8Array;
  payments: Payment[] = [];

  constructor(release: CompiledRelease, capacity: number) {
    this.release = release;
    this.capacity = capacity;
    this.features = createFeatureMatrix(release.features.names.length, capacity);
    this.frame = new Frame(release.layout, capacity);
    this.degraded = new Int32Array(capacity);
    this.held = new Uint8Array(capacity);
    const output = viewOutput(capacity, release.rules.rules.length);
    this.outputShared = output.shared;
    this.probabilities = output.probabilities;
    this.hits = output.hits;
  }

  /** New output buffers, out of reach of a late worker. */
  replaceOutput(): void {
    const output = viewOutput(this.capacity, this.release.rules.rules.length);
    this.outputShared = output.shared;
    this.probabilities = output.probabilities.fill(Number.NaN);
    this.hits = output.hits;
  }

  /** Starts a new micro-batch in these buffers. */
  start(payments: Payment[]): void {
    if (payments.length > this.capacity) throw new Error('micro-batch larger than its buffers');
    this.payments = payments;
    this.degraded.fill(0, 0, payments.length);
    this.probabilities.fill(Number.NaN, 0, payments.length);
  }
}

/** Probabilities and rule words over one shared buffer; a worker views the same memory. */
export function viewOutput(
  capacity: number,
  ruleCount: number,
  existing?: SharedArrayBuffer,
): { shared: SharedArrayBuffer; probabilities: Float64Array; hits: RuleHits } {
  const wordsPerRule = (capacity + 31) >> 5;
  const shared = existing ?? new SharedArrayBuffer(capacity * 8 + ruleCount * wordsPerRule * 4);
  return {
    shared,
    probabilities: new Float64Array(shared, 0, capacity),
    hits: { wordsPerRule, words: new Uint32Array(shared, capacity * 8, ruleCount * wordsPerRule) },
  };
}

/** Batches free to use; a batch is taken by one owner at a time. */
export class BatchPool {
  readonly #free: Batch[] = [];
  readonly #release: CompiledRelease;
  readonly #capacity: number;

  constructor(release: CompiledRelease, capacity: number) {
    this.#release = release;
    this.#capacity = capacity;
  }

  take(): Batch {
    return this.#free.pop() ?? new Batch(this.#release, this.#capacity);
  }

  give(batch: Batch): void {
    batch.payments = [];
    if (batch.abandoned) return;
    this.#free.push(batch);
  }
}
