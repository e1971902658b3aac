/** A decision store in plain memory, for tests of the pipeline alone; what is "durable" and when is in the test's hand. */
import type { Label } from '../../src/domain/label.ts';
import type { Commit, DecisionRecord, DecisionStore, RecordOutcome } from '../../src/pipeline/ports.ts';

const keyOf = (tenantId: string, paymentId: string): string => `${tenantId}/${paymentId}`;

export class MemoryDecisionStore implements DecisionStore {
  readonly records = new Map<string, DecisionRecord>();
  readonly commits: Commit[] = [];
  /** Runs before every record: throw to fail it, await to delay it. */
  beforeRecord: () => Promise<void> = () => Promise.resolve();
  /** Rows to refuse as expired, by payment id. */
  readonly expire = new Set<string>();

  lookup(tenantId: string, paymentIds: readonly string[]): Promise<readonly (DecisionRecord | undefined)[]> {
    return Promise.resolve(paymentIds.map((id) => this.records.get(keyOf(tenantId, id))));
  }

  async record(
    records: readonly DecisionRecord[],
    _deadlinesMs: readonly number[],
    _batch: number,
    commits: readonly Commit[],
  ): Promise<readonly RecordOutcome[]> {
    // Buffers belong to the batch: what is kept must be a copy.
    const copies = records.map((record) => ({
      tenantId: record.tenantId,
      paymentId: record.paymentId,
      occurredAtMs: record.occurredAtMs,
      decision: record.decision,
      payment: record.payment,
      releaseId: record.releaseId,
      features: record.features.slice(),
      bounds: record.bounds.slice(),
    }));
    await this.beforeRecord();
    this.commits.push(...commits);
    return copies.map((record): RecordOutcome => {
      const key = keyOf(record.tenantId, record.paymentId);
      const winner = this.records.get(key);
      if (winner !== undefined) return { status: 'existing', winner };
      if (this.expire.has(record.paymentId)) return { status: 'expired', winner: undefined };
      this.records.set(key, record);
      return { status: 'recorded', winner: record };
    });
  }

  recordLabels(_tenantId: string, labels: readonly Label[]): Promise<readonly boolean[]> {
    return Promise.resolve(labels.map(() => true));
  }

  labelsOf(): Promise<readonly Label[]> {
    return Promise.resolve([]);
  }
}
