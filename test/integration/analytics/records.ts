/** Records for the analytics tests: made from a seed, valid by the contract, with awkward texts in them. */
import type { Decision } from '../../../src/domain/decision.ts';
import type { Label } from '../../../src/domain/label.ts';
import type { AnalyticsRow, DecisionRecord } from '../../../src/pipeline/ports.ts';

export type Random = () => number;

/** mulberry32: small, seeded, good enough to pick test values. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const featureNames = [
  'customer.count.24h',
  'customer.sum.amountMinor.1h',
  'customer+merchant.count.30d',
  'ratio',
];
export const releaseId = 'a'.repeat(64);
const now = new Date();
/** Ten seconds before the last month began (UTC): a block of a minute crosses a month and so a partition, and nothing expires. */
export const startMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1) - 10_000;

const encoder = new TextEncoder();
const pick = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;

export interface RecordOptions {
  readonly tenantId?: string;
  readonly decidedAtMs?: number;
  readonly featureCount?: number;
  readonly releaseId?: string;
}

export function makeRecord(random: Random, index: number, options: RecordOptions = {}): DecisionRecord {
  const paymentId = `p-${String(index).padStart(7, '0')}`;
  const tenantId = options.tenantId ?? 'default';
  const decidedAtMs = options.decidedAtMs ?? startMs + index * 7;
  const action = random() < 0.2 ? 'hold' : 'allow';
  const rules = ['R-001', 'R-002', "R-'3", 'R-004'].filter(() => random() < 0.3).map((id) => ({ id, version: 2 }));
  const score = Math.round(random() * 1e6) / 1e6;
  const release = options.releaseId ?? releaseId;
  const decision: Decision = {
    decisionId: `d-${tenantId}-${index}`,
    paymentId,
    tenantId,
    action,
    score,
    reasons: rules.map((rule) => ({ code: rule.id, text: 'said "no"; \\ and\nü漢', weight: 0.4 })),
    rules,
    model: random() < 0.1 ? null : { id: 'handbook-mlp', version: 'b'.repeat(64), probability: score },
    releaseId: release,
    degraded: random() < 0.05 ? ['model:deadline'] : [],
    mode: 'live',
    occurredAt: new Date(decidedAtMs - 40).toISOString(),
    decidedAt: new Date(decidedAtMs).toISOString(),
    latencyMicros: Math.floor(100 + random() * 5_000),
  };
  const payment = {
    paymentId,
    occurredAt: decision.occurredAt,
    amountMinor: index === 3 ? 9e15 : Math.floor(random() * 100_000),
    currency: 'EUR',
    customerId: pick(random, ['C1', 'C2', "O'Hara; DROP TABLE", '漢字\t', 'C-\u{1F600}']),
    merchantId: 'M1',
    country: 'DE',
    attributes: { note: 'a;b', risky: true, ratio: 1.5 },
  };
  const features = Float64Array.from({ length: options.featureCount ?? featureNames.length }, () =>
    random() < 0.1 ? Number.NaN : Math.floor(random() * 1000) / 8,
  );
  const bounds = new Float64Array(features.length);
  if (random() < 0.2) bounds[0] = 2;
  return {
    tenantId,
    paymentId,
    occurredAtMs: decidedAtMs - 40,
    decision: encoder.encode(JSON.stringify(decision)),
    payment: encoder.encode(JSON.stringify(payment)),
    releaseId: release,
    features,
    bounds,
  };
}

export function makeRows(random: Random, from: number, count: number, options: RecordOptions = {}): AnalyticsRow[] {
  return Array.from({ length: count }, (_, i) => ({ record: makeRecord(random, from + i, options), featureNames }));
}

export function makeLabel(random: Random, record: DecisionRecord, labelledAtMs: number): Label & { tenantId: string } {
  return {
    tenantId: record.tenantId,
    paymentId: record.paymentId,
    label: random() < 0.5 ? 'fraud' : 'legitimate',
    source: 'analyst',
    labelledAtMs,
  };
}

export interface Decoded {
  readonly record: DecisionRecord;
  readonly decision: Decision;
  readonly payment: Record<string, unknown>;
  readonly decidedAtMs: number;
}

export function decode(record: DecisionRecord): Decoded {
  const decoder = new TextDecoder();
  const decision = JSON.parse(decoder.decode(record.decision)) as Decision;
  const payment = JSON.parse(decoder.decode(record.payment)) as Record<string, unknown>;
  return { record, decision, payment, decidedAtMs: Date.parse(decision.decidedAt) };
}
