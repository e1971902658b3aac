/**
 * Challengers, scored in shadow. Where the sink has a block of decisions in hand, each challenger of their release is run on the
 * recorded payments and features, the same pure code that decided: nothing is added to the path of a payment, in time or in
 * failure, and the same block gives the same scores whenever it is delivered again. The cost of a block is bounded, in rows
 * and in time; what does not fit is left out, and counted.
 */
import type { Decision, DegradedStage } from '../domain/decision.ts';
import { createPaymentDecoder } from '../domain/decode.ts';
import { Payment } from '../domain/payment.ts';
import { hashText } from '../features/hash.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import { Batch } from './batch.ts';
import { decideBatch } from './decide.ts';
import type { AnalyticsRow, DecisionRecord, ShadowScore } from './ports.ts';
import { fillBatch, scoreInline } from './score.ts';
import { degradedBit } from './serialise.ts';

/** Decisions of one block that challengers see; the rest of a catching-up sink's large blocks is left out. */
export const shadowRowsPerBlockMax = 20_000;
/** What challengers may take of a block, milliseconds of CPU time; looked at between micro-batches. */
export const shadowMsPerBlockMax = 1_000;
/** Payments that are scored without a look at the time. */
const rowsMax = 256;
/** Releases whose challengers are kept compiled; a block seldom has more than two. */
const releasesMax = 4;

export interface ShadowStats {
  /** Scores made: one a challenger and payment. */
  readonly scored: number;
  /** Payments left out for the bounds on a block. */
  readonly dropped: number;
  /** Payments on which a challenger failed, or whose release cannot be read here. */
  readonly failed: number;
}

export interface ShadowOptions {
  /** The challengers of a release, each compiled as its champion. Rejects where the release cannot be read. */
  readonly challengersOf: (releaseId: string) => Promise<readonly CompiledRelease[]>;
  /** Share of the payments that is scored, 0 to 1; chosen by payment id, so all challengers see the same ones. */
  readonly share: number;
  /** Time spent, milliseconds, on any clock that only grows: the process's own CPU time, so that a busy machine is no cost. */
  readonly spentMs: () => number;
  /** Told of what was left out; it stops nothing. */
  readonly onFailure: (error: unknown) => void;
}

export interface ShadowScorer {
  /** The scores that belong to a block's rows. Never rejects. */
  score(rows: readonly AnalyticsRow[]): Promise<readonly ShadowScore[]>;
  stats(): ShadowStats;
}

/** CPU time of this process, milliseconds: the clock of a scorer. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Whether a payment is in the sample; the same everywhere and always. */
export function isSampled(tenantId: string, paymentId: string, share: number): boolean {
  return (hashText(`${tenantId}\u0000${paymentId}`) >>> 0) / 2 ** 32 < share;
}

const modelStages: ReadonlySet<DegradedStage> = new Set<DegradedStage>(['model:unavailable', 'model:deadline']);

interface Recorded {
  readonly record: DecisionRecord;
  readonly payment: Payment;
  readonly decidedAtMs: number;
  /** What was degraded of the decision itself; the challenger's own scoring is not. */
  readonly degraded: number;
}

const decoder = createPaymentDecoder();

function recordedOf(record: DecisionRecord): Recorded {
  const payment = decoder.decode(record.payment, Number.POSITIVE_INFINITY);
  if (!(payment instanceof Payment)) throw new Error('a recorded payment no longer decodes');
  const { decidedAt, degraded } = JSON.parse(Buffer.from(record.decision).toString()) as Decision;
  const bits = degraded.filter((stage) => !modelStages.has(stage)).map(degradedBit);
  return {
    record,
    payment,
    decidedAtMs: Date.parse(decidedAt),
    degraded: bits.reduce((all, bit) => all | bit, 0),
  };
}

/** One micro-batch under one challenger. @throws where it cannot score */
function scoreSlice(batch: Batch, slice: readonly Recorded[]): ShadowScore[] {
  const { release, features } = batch;
  batch.start(slice.map(({ payment }) => payment));
  slice.forEach(({ record, degraded }, row) => {
    if (record.features.length !== features.featureCount)
      throw new Error('the record has other features than its release');
    features.values.set(record.features, row * features.featureCount);
    features.bounds.set(record.bounds, row * features.featureCount);
    batch.degraded[row] = degraded;
  });
  fillBatch(batch);
  const failure = scoreInline(batch, true);
  if (failure !== undefined) throw new Error('the challenger cannot score', { cause: failure });
  const bodies = slice.map(({ record }) => record.payment);
  decideBatch(batch, '', bodies, { decidedAtMs: 0, latencyMicros: () => 0 });
  const { id, version } = release.model ?? { id: '', version: '' };
  return slice.map(({ record, decidedAtMs }, row) => ({
    tenantId: record.tenantId,
    paymentId: record.paymentId,
    decidedAtMs,
    releaseId: record.releaseId,
    modelId: id,
    modelVersion: version,
    probability: batch.probabilities[row] as number,
    action: batch.held[row] === 1 ? 'hold' : 'allow',
  }));
}

/** What is left of a block's time. */
interface Budget {
  leftMs: number;
}

const yieldTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** @see the head of this file */
export function createShadowScorer(options: ShadowOptions): ShadowScorer {
  const { share, spentMs, onFailure } = options;
  const known = new Map<string, Promise<readonly Batch[]>>();
  let scored = 0;
  let dropped = 0;
  let failed = 0;

  /** A batch of its own for each challenger of the release. */
  function batchesOf(releaseId: string): Promise<readonly Batch[]> {
    const found = known.get(releaseId);
    if (found !== undefined) return found;
    const made = options
      .challengersOf(releaseId)
      .then((releases) => releases.map((release) => new Batch(release, rowsMax)));
    if (known.size >= releasesMax) known.delete(known.keys().next().value ?? '');
    known.set(releaseId, made);
    // It may be readable the next time.
    made.catch(() => known.delete(releaseId));
    return made;
  }

  function scoreWith(batches: readonly Batch[], rows: readonly AnalyticsRow[]): ShadowScore[] {
    const slice = rows.map(({ record }) => recordedOf(record));
    return batches.flatMap((batch) => {
      try {
        const scores = scoreSlice(batch, slice);
        scored += scores.length;
        return scores;
      } catch (error) {
        failed += slice.length;
        onFailure(error);
        return [];
      }
    });
  }

  async function scoreSlices(
    batches: readonly Batch[],
    rows: readonly AnalyticsRow[],
    budget: Budget,
  ): Promise<readonly ShadowScore[]> {
    const scores: ShadowScore[] = [];
    for (let from = 0; from < rows.length; from += rowsMax) {
      if (budget.leftMs <= 0) {
        dropped += rows.length - from;
        return scores;
      }
      const startMs = spentMs();
      const slice = rows.slice(from, from + rowsMax);
      try {
        scores.push(...scoreWith(batches, slice));
      } catch (error) {
        failed += slice.length;
        onFailure(error);
      }
      budget.leftMs -= spentMs() - startMs;
      // Queries are answered by this process too.
      await yieldTurn();
    }
    return scores;
  }

  async function batchesOrNone(releaseId: string, rows: number): Promise<readonly Batch[]> {
    try {
      return await batchesOf(releaseId);
    } catch (error) {
      failed += rows;
      onFailure(error);
      return [];
    }
  }

  return {
    async score(rows) {
      // Of scoring alone: that challengers are compiled when their release is first seen is no cost of a block.
      const budget = { leftMs: shadowMsPerBlockMax };
      const sampled = rows.filter(({ record }) => isSampled(record.tenantId, record.paymentId, share));
      const scores: ShadowScore[] = [];
      let room = shadowRowsPerBlockMax;
      for (const [releaseId, all] of Map.groupBy(sampled, ({ record }) => record.releaseId)) {
        const batches = await batchesOrNone(releaseId, all.length);
        if (batches.length === 0) continue;
        const some = all.slice(0, room);
        room -= some.length;
        dropped += all.length - some.length;
        scores.push(...(await scoreSlices(batches, some, budget)));
      }
      return scores;
    },
    stats: () => ({ scored, dropped, failed }),
  };
}
