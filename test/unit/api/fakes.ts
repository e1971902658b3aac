/** A service in memory, just enough to see what the API makes of its answers. Real pipelines are for integration tests. */
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { deterministicId } from '../../../src/domain/ids.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { PaymentJson } from '../../../src/domain/payment.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { formatTimestamp } from '../../../src/domain/timestamp.ts';
import { Registry } from 'prom-client';
import type { ApiOptions } from '../../../src/api/options.ts';
import { createApiKeyVerifier, hashApiKey } from '../../../src/api/keys.ts';
import type { AnalyticsStore, DecisionFilter } from '../../../src/pipeline/ports.ts';
import type { DecideResult, DecisionService } from '../../../src/pipeline/service.ts';

const apiKey = 'hf_test-key';
export const readKey = 'hf_read-only';
export const bearer = { authorization: `Bearer ${apiKey}` };
export const jsonHeaders = { ...bearer, 'content-type': 'application/json' };

export function paymentBody(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    paymentId: 'pay-1',
    occurredAt: new Date().toISOString(),
    amountMinor: 1250,
    currency: 'EUR',
    customerId: 'c',
    ...changes,
  };
}

function decisionOf(tenantId: string, payment: Payment): Decision {
  return {
    decisionId: deterministicId(tenantId, payment.paymentId),
    paymentId: payment.paymentId,
    tenantId,
    action: 'allow',
    score: 0.01,
    reasons: [],
    rules: [],
    model: null,
    releaseId: 'a'.repeat(64),
    degraded: [],
    mode: 'live',
    occurredAt: formatTimestamp(payment.occurredAtMs),
    decidedAt: formatTimestamp(payment.occurredAtMs),
    latencyMicros: 1,
  };
}

export interface FakeService extends DecisionService {
  /** Answers instead of deciding, while set. */
  answer: DecideResult | Error | Promise<DecideResult> | undefined;
  ready: boolean;
  readonly calls: { readonly tenantId: string; readonly body: string; readonly allowedMs: number }[];
}

function createFakeService(): FakeService {
  const decoder = createPaymentDecoder();
  const decided = new Map<string, { readonly body: string; readonly bytes: Uint8Array; readonly payment: Payment }>();
  const service: FakeService = {
    answer: undefined,
    ready: true,
    calls: [],
    async decide(tenantId, body, receivedAtMs, deadlineMs) {
      const text = Buffer.from(body).toString();
      service.calls.push({ tenantId, body: text, allowedMs: Math.round(deadlineMs - receivedAtMs) });
      if (service.answer instanceof Error) throw service.answer;
      if (service.answer !== undefined) return service.answer;
      const payment = decoder.decode(body, Date.now());
      if (!(payment instanceof Payment)) return { kind: 'refused', refusal: payment };
      const key = `${tenantId} ${payment.paymentId}`;
      const earlier = decided.get(key);
      if (earlier !== undefined) {
        if (earlier.body !== text) return { kind: 'conflict', paymentId: payment.paymentId };
        return { kind: 'decided', decision: earlier.bytes, replay: true };
      }
      const bytes = new TextEncoder().encode(JSON.stringify(decisionOf(tenantId, payment)));
      decided.set(key, { body: text, bytes, payment });
      return { kind: 'decided', decision: bytes, replay: false };
    },
    async explain(tenantId, paymentId) {
      if (!decided.has(`${tenantId} ${paymentId}`)) return undefined;
      throw new Error('the fake explains nothing');
    },
    async get(tenantId, paymentId) {
      const found = decided.get(`${tenantId} ${paymentId}`);
      if (found === undefined) return undefined;
      return {
        decision: JSON.parse(Buffer.from(found.bytes).toString()) as Decision,
        payment: JSON.parse(found.body) as PaymentJson,
        features: { 'customer.count.24h': { value: 1 }, 'customer.count.90d': { value: 3, exact: false, bound: 1 } },
        explanation: [],
        labels: [{ paymentId, label: 'fraud', source: 'analyst', labelledAtMs: 1_795_341_600_000 }],
      };
    },
    async label(tenantId, labels) {
      return labels.map(({ paymentId, source }) => {
        if (!decided.has(`${tenantId} ${paymentId}`)) return 'unknown';
        return source === 'other' ? 'already' : 'recorded';
      });
    },
    readiness: () => ({
      ready: service.ready,
      dependencies: [{ name: 'journal', state: service.ready ? 'up' : 'down' }],
    }),
  };
  return service;
}

export interface FakeAnalytics extends AnalyticsStore {
  filter: DecisionFilter | undefined;
  window: readonly number[];
  failure: Error | undefined;
}

function createFakeAnalytics(): FakeAnalytics {
  const store: FakeAnalytics = {
    filter: undefined,
    window: [],
    failure: undefined,
    migrate: async () => {},
    insertBlock: async () => {},
    async findDecisions(filter) {
      if (store.failure !== undefined) throw store.failure;
      store.filter = filter;
      return { items: [{ decision: { action: 'hold' }, payment: { paymentId: 'p' } }], next: 'next-page' };
    },
    async summary(...window) {
      if (store.failure !== undefined) throw store.failure;
      store.window = window.slice(1) as number[];
      return {
        total: 2,
        holds: 1,
        latencyMicros: { p50: 1, p99: 2 },
        series: [],
        topRules: [],
        labels: { fraud: 0, fraudHeld: 0, legitimate: 0, legitimateHeld: 0 },
      };
    },
    close: async () => {},
  };
  return store;
}

export interface Fakes {
  readonly service: FakeService;
  readonly analytics: FakeAnalytics;
  readonly options: ApiOptions;
}

export function createFakes(changes: Partial<ApiOptions> = {}): Fakes {
  const service = createFakeService();
  const analytics = createFakeAnalytics();
  const keys = createApiKeyVerifier([
    { sha256: hashApiKey(apiKey), tenantId: 'default' },
    { sha256: hashApiKey(readKey), tenantId: 'other', scopes: ['read'] },
  ]);
  const metrics = new Registry();
  return { service, analytics, options: { service, analytics, keys, metrics, version: '0.0.0-test', ...changes } };
}
