/** Records and labels for the conformance suites. */
import type { DecisionRecord } from '../../src/pipeline/ports.ts';

const releaseId = 'ab'.repeat(32);

/** A record whose every field follows from its arguments. */
export function recordOf(paymentId: string, options: { tenantId?: string; variant?: string } = {}): DecisionRecord {
  const { tenantId = 'default', variant = '' } = options;
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  return {
    tenantId,
    paymentId,
    occurredAtMs: 1_700_000_000_000 + paymentId.length,
    decision: bytes(JSON.stringify({ decisionId: `d-${tenantId}-${paymentId}${variant}`, action: 'allow' })),
    payment: bytes(JSON.stringify({ paymentId, note: `é${variant}` })),
    releaseId,
    features: Float64Array.of(1.5, Number.NaN, -0, paymentId.length),
    bounds: Float64Array.of(0, 2.25, 0, 0),
  };
}

/** The record's fields as plain values, to compare. */
export function plain(record: DecisionRecord | undefined): Record<string, unknown> | undefined {
  if (record === undefined) return undefined;
  const { tenantId, paymentId, occurredAtMs, releaseId: release } = record;
  return {
    tenantId,
    paymentId,
    occurredAtMs,
    release,
    decision: Buffer.from(record.decision).toString(),
    payment: Buffer.from(record.payment).toString(),
    features: [...record.features],
    bounds: [...record.bounds],
  };
}

const never = Number.POSITIVE_INFINITY;
export const noDeadlines = (records: readonly unknown[]): number[] => records.map(() => never);
