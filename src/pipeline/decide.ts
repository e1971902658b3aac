/** Decide: policy, reasons and the decision's bytes for every row of a scored batch. Pure, given the times. */
import type { Payment } from '../domain/payment.ts';
import type { PolicyInput, PolicyOutcome } from '../policy/types.ts';
import type { RuleMeta } from '../rules/types.ts';
import type { Batch } from './batch.ts';
import type { DecisionRecord } from './ports.ts';
import type { DecisionParts } from './decisionWriter.ts';
import { DecisionWriter } from './decisionWriter.ts';
import { degradedOf } from './serialise.ts';

/** Calls `hit(rule, row)` for every bit set, rules in order. */
function eachHit(batch: Batch, hit: (rule: number, row: number) => void): void {
  const { words, wordsPerRule } = batch.hits;
  const usedWords = (batch.payments.length + 31) >> 5;
  const ruleCount = batch.release.rules.rules.length;
  for (let rule = 0; rule < ruleCount; rule++) {
    for (let word = 0; word < usedWords; word++) {
      for (let bits = words[rule * wordsPerRule + word] as number; bits !== 0; bits &= bits - 1) {
        hit(rule, (word << 5) + (31 - Math.clz32(bits & -bits)));
      }
    }
  }
}

/** Per-row rule indices, in the rules' own order (priority, then id). */
function hitsByRow(batch: Batch): readonly (number[] | undefined)[] {
  const rows = batch.payments.length;
  const byRow: (number[] | undefined)[] = new Array<number[] | undefined>(rows).fill(undefined);
  eachHit(batch, (rule, row) => {
    if (row >= rows) return;
    const hits = byRow[row];
    if (hits === undefined) byRow[row] = [rule];
    else hits.push(rule);
  });
  return byRow;
}

const noHits: readonly number[] = [];

export interface DecidedTimes {
  /** Wall clock of the batch, milliseconds. */
  readonly decidedAtMs: number;
  /** Microseconds since each payment was received, one a row. */
  readonly latencyMicros: (row: number) => number;
}

/** What the policy is told of one row. */
function policyInputOf(batch: Batch, row: number, hitRules: readonly number[]): PolicyInput {
  const { release } = batch;
  const payment = batch.payments[row] as Payment;
  return {
    payment,
    probability: batch.probabilities[row] as number,
    hits: hitRules.map((rule) => release.rules.rules[rule] as RuleMeta),
    hitTexts: hitRules.map((rule) => release.rules.textOf(rule, batch.frame, row, payment)),
    degraded: degradedOf(batch.degraded[row] as number),
    contributions: (top) => release.model?.explain(batch.frame, row, top) ?? [],
  };
}

/** What the policy says of every row of a scored batch, without reasons of the model's. */
export function outcomesOf(batch: Batch): readonly PolicyOutcome[] {
  const hits = hitsByRow(batch);
  return batch.payments.map((_payment, row) =>
    batch.release.policy.decide({ ...policyInputOf(batch, row, hits[row] ?? noHits), contributions: () => [] }),
  );
}

/** Everything of one row but its bytes. */
function decideRow(batch: Batch, row: number, hitRules: readonly number[], latencyMicros: number): DecisionParts {
  const input = policyInputOf(batch, row, hitRules);
  const { payment, probability, hits, degraded } = input;
  const outcome = batch.release.policy.decide(input);
  batch.held[row] = outcome.action === 'hold' ? 1 : 0;
  return {
    paymentId: payment.paymentId,
    action: outcome.action,
    score: outcome.score,
    reasons: outcome.reasons,
    rules: hits,
    probability,
    degraded,
    occurredAtMs: payment.occurredAtMs,
    latencyMicros,
  };
}

/**
 * One row's record. Its arrays are views, made when they are asked for: of the batch's features (encode them before the
 * batch is given back) and of the buffer that holds all decisions of the batch.
 */
class BatchRecord implements DecisionRecord {
  readonly tenantId: string;
  readonly paymentId: string;
  readonly occurredAtMs: number;
  readonly payment: Uint8Array;
  readonly releaseId: string;
  readonly #decisions: DecisionBytes;
  readonly #batch: Batch;
  readonly #row: number;

  constructor(batch: Batch, row: number, tenantId: string, payment: Uint8Array, decisions: DecisionBytes) {
    const { paymentId, occurredAtMs } = batch.payments[row] as Payment;
    this.tenantId = tenantId;
    this.paymentId = paymentId;
    this.occurredAtMs = occurredAtMs;
    this.payment = payment;
    this.releaseId = batch.release.id;
    this.#decisions = decisions;
    this.#batch = batch;
    this.#row = row;
  }

  get decision(): Uint8Array {
    const { bytes, ends } = this.#decisions;
    return bytes.subarray(this.#row === 0 ? 0 : ends[this.#row - 1], ends[this.#row]);
  }

  get features(): Float64Array {
    return this.#rowOf(this.#batch.features.values);
  }

  get bounds(): Float64Array {
    return this.#rowOf(this.#batch.features.bounds);
  }

  #rowOf(cells: Float64Array): Float64Array {
    const { featureCount } = this.#batch.features;
    return cells.subarray(this.#row * featureCount, (this.#row + 1) * featureCount);
  }
}

/** All decisions of a batch, one after another in one buffer: `ends[row]` is where row's decision ends. */
interface DecisionBytes {
  readonly bytes: Uint8Array;
  readonly ends: Int32Array;
}

/** Records of all rows, in order; see BatchRecord for how long their arrays live. */
export function decideBatch(
  batch: Batch,
  tenantId: string,
  bodies: readonly Uint8Array[],
  times: DecidedTimes,
): DecisionRecord[] {
  const { release } = batch;
  const rows = batch.payments.length;
  const { decidedAtMs } = times;
  const writer = new DecisionWriter({ tenantId, releaseId: release.id, model: release.model, decidedAtMs }, rows);
  const hits = hitsByRow(batch);
  const ends = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    ends[row] = writer.write(decideRow(batch, row, hits[row] ?? noHits, times.latencyMicros(row)));
  }
  const decisions = { bytes: writer.bytes, ends };
  return bodies.map((body, row) => new BatchRecord(batch, row, tenantId, body, decisions));
}
