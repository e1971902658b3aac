/** The scoring pool over piscina: whole micro-batches in shared memory, never one task a payment. */
import { Piscina } from 'piscina';
import type { Batch } from '../../pipeline/batch.ts';
import { BatchPool } from '../../pipeline/batch.ts';
import { bounds } from '../../pipeline/bounds.ts';
import type { ScoringPool } from '../../pipeline/ports.ts';
import { fillBatch, scoreInline } from '../../pipeline/score.ts';
import { Payment } from '../../domain/payment.ts';
import type { BindOptions } from '../../models/types.ts';
import type { CompiledRelease } from '../../releases/compile.ts';

const workerFile = new URL('../../../workers/scoring.ts', import.meta.url).href;
/** Rounds of the measurement that decides from which size on the pool is used. */
const calibrationRounds = 40;
const calibrationSizes = [32, 64, 128, 256] as const;
/** The hand-over must save at least this share of the time on this thread, or the batch is scored where it is. */
const savingMin = 0.5;

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

class PiscinaScoringPool implements ScoringPool {
  readonly #piscina: Piscina;
  #rowsMin = Number.POSITIVE_INFINITY;

  constructor(release: CompiledRelease, threads: number, models: BindOptions) {
    this.#piscina = new Piscina({
      filename: workerFile,
      // The backend that was chosen here: a measurement of its own could choose another.
      workerData: { bundle: release.bundle, models: { ...models, backend: release.model?.backend } },
      minThreads: threads,
      maxThreads: threads,
      maxQueue: bounds.inFlightBatchesMax * 2,
      recordTiming: false,
      // piscina's synchronous wait would stop the worker's own asynchronous work between tasks.
      atomics: 'async',
    });
  }

  get rowsMin(): number {
    return this.#rowsMin;
  }

  worthwhile(rows: number): boolean {
    return rows >= this.#rowsMin;
  }

  async score(batch: Batch): Promise<void> {
    await this.#piscina.run({
      frame: batch.frame.shared,
      output: batch.outputShared,
      capacity: batch.capacity,
      rows: batch.frame.rows,
    });
  }

  /**
   * Times both ways on the release itself. What counts is the time this thread is kept busy: in the pool that is the
   * hand-over alone, which is measured as the whole round trip to be on the safe side.
   */
  async calibrate(release: CompiledRelease): Promise<void> {
    const batch = new BatchPool(release, bounds.batchRowsMax).take();
    for (const rows of calibrationSizes) {
      batch.start(Array.from({ length: rows }, () => new Payment()));
      fillBatch(batch);
      const inline: number[] = [];
      const pooled: number[] = [];
      for (let round = 0; round < calibrationRounds; round++) {
        const from = performance.now();
        scoreInline(batch, true);
        const middle = performance.now();
        await this.score(batch);
        inline.push(middle - from);
        pooled.push(performance.now() - middle);
      }
      const inlineMs = median(inline);
      const handOverMs = Math.max(0, median(pooled) - inlineMs);
      if (handOverMs <= inlineMs * (1 - savingMin)) {
        this.#rowsMin = rows;
        return;
      }
    }
  }

  async close(): Promise<void> {
    await this.#piscina.close();
  }
}

/** Starts the workers and measures from which batch size on they pay; until then every batch is scored inline. */
export function createScoringPool(
  release: CompiledRelease,
  threads: number,
  models: BindOptions = {},
): PiscinaScoringPool {
  return new PiscinaScoringPool(release, threads, models);
}
