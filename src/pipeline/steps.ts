/** The steps of one micro-batch after its payments are known to be new: enrich → score → decide → record. */
import type { Batch } from './batch.ts';
import { markAll, fillBatch, modelUnavailableBit, scoreInline } from './score.ts';
import { decideBatch } from './decide.ts';
import type { Clock } from './clock.ts';
import { bounds } from './bounds.ts';
import type { StageGuard } from './guard.ts';
import type { Item } from './item.ts';
import type { DecisionRecord, ScoringPool, VelocityStore } from './ports.ts';
import { degradedBit } from './serialise.ts';

const velocityUnavailableBit = degradedBit('velocity:unavailable');
const modelDeadlineBit = degradedBit('model:deadline');

export interface StepTools {
  readonly clock: Clock;
  readonly velocity: VelocityStore;
  readonly velocityGuard: StageGuard;
  readonly pool: ScoringPool | undefined;
  readonly poolGuard: StageGuard;
  readonly onScoreFailure: (error: unknown) => void;
}

/** Time left for the most urgent item, milliseconds; Infinity where none has a deadline. */
export function remainingMs(items: readonly Item[], clock: Clock): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const item of items) if (item.deadlineMs < earliest) earliest = item.deadlineMs;
  return earliest - clock.monotonicMs();
}

function withoutFeatures(batch: Batch): void {
  const cells = batch.payments.length * batch.features.featureCount;
  batch.features.values.fill(Number.NaN, 0, cells);
  batch.features.bounds.fill(0, 0, cells);
  markAll(batch, velocityUnavailableBit);
}

/**
 * Appends the payments to their entities and reads the features; without velocity the features are missing, and named so.
 * @returns the rows that another call may have put in, and may take out again
 */
export async function enrich(
  tools: StepTools,
  tenantId: string,
  batch: Batch,
  number: number,
  leftMs: number,
): Promise<readonly number[]> {
  let waiting = true;
  const read = (): Promise<readonly number[]> =>
    tools.velocity.appendAndRead(tenantId, batch.payments, batch.features, number, () => waiting);
  // A store in this process can neither hang nor lose a reply: the guard would only cost time.
  if (tools.velocity.inProcess === true) return read();
  const unhurried = leftMs === Number.POSITIVE_INFINITY;
  const budgetMs = unhurried ? bounds.unhurriedVelocityBudgetMs : Math.min(bounds.velocityBudgetMs, leftMs / 2);
  const result = await tools.velocityGuard.run(read, budgetMs);
  waiting = false;
  if (result.ok) return result.value;
  withoutFeatures(batch);
  // The store was not even asked: it must still hear of the payments.
  if (result.failure === 'open' || result.failure === 'full') tools.velocity.missed?.(tenantId, batch.payments);
  return batch.payments.map((_, row) => row);
}

/** Scores in the pool where that pays, else here. A pool that fails or is late leaves the model out, not the rules. */
export async function score(tools: StepTools, batch: Batch, leftMs: number): Promise<void> {
  fillBatch(batch);
  const withModel = leftMs >= bounds.modelReserveMs;
  if (!withModel && batch.release.model !== null) markAll(batch, modelDeadlineBit);
  const { pool } = tools;
  if (pool !== undefined && withModel && pool.worthwhile(batch.payments.length)) {
    const result = await tools.poolGuard.run(() => pool.score(batch), Math.min(bounds.poolBudgetMs, leftMs / 2));
    if (result.ok) return;
    if (result.failure === 'timeout') {
      // The worker may still write into the shared buffers: these are given up, never reused.
      batch.abandoned = true;
      scoreElsewhere(batch, tools);
      return;
    }
  }
  const failure = scoreInline(batch, withModel);
  if (failure !== undefined) tools.onScoreFailure(failure);
  if (batch.release.bundle.model !== null && batch.release.model === null) markAll(batch, modelUnavailableBit);
}

/** After a late worker: rules alone, into fresh buffers that the worker does not see. */
function scoreElsewhere(batch: Batch, tools: StepTools): void {
  batch.replaceOutput();
  markAll(batch, modelDeadlineBit);
  const failure = scoreInline(batch, false);
  if (failure !== undefined) tools.onScoreFailure(failure);
}

export function decide(tools: StepTools, tenantId: string, batch: Batch, items: readonly Item[]): DecisionRecord[] {
  const decidedAtMs = tools.clock.nowMs();
  const nowMs = tools.clock.monotonicMs();
  const latencyMicros = (row: number): number =>
    Math.max(0, Math.round((nowMs - (items[row] as Item).receivedAtMs) * 1000));
  return decideBatch(
    batch,
    tenantId,
    items.map((item) => item.body),
    { decidedAtMs, latencyMicros },
  );
}
