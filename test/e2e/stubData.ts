/** A small world for the stub API: decisions with every part of an explanation, some of it hostile markup. */
import type { Decision } from '../../src/domain/decision.ts';
import type { DecisionSummary } from '../../src/pipeline/ports.ts';
import type { DependencyState } from '../../src/pipeline/service.ts';
import { seededRandom } from '../integration/analytics/records.ts';
import type { Answer, Responder } from './stubApi.ts';

/** Would set `window.hacked` wherever the page took a value as markup. */
const hostile = '<img src=x onerror="window.hacked=true"><script>window.hacked=true</script>';

export interface StubItem {
  readonly decision: Decision;
  readonly payment: Readonly<Record<string, unknown>>;
}

const ruleTexts: readonly (readonly [string, string])[] = [
  ['R-003', '14th payment in 10 minutes on this card'],
  ['R-011', 'First payment from this device, EUR 1,840.00, above 5 times the 30-day mean'],
  ['R-017', 'Card used in two countries within 40 minutes'],
  ['R-024', 'Terminal with 3 confirmed frauds in the last 7 days'],
];

/** Names of features have no place to break, and are longer than a phone is wide. */
const modelReason = {
  code: 'M-001',
  text: 'The model sees a fraud probability of 93%, most of all for counterpartyAccount+customer.distinct.merchantCategoryCode.30d.delay7d',
  weight: 0.837,
};

export function makeItem(index: number, decidedAtMs: number): StubItem {
  const random = seededRandom(index * 7919);
  const action = random() < 0.25 ? 'hold' : 'allow';
  const fired = action === 'hold' ? ruleTexts.filter(() => random() < 0.5) : [];
  const score = action === 'hold' ? 0.6 + random() * 0.4 : random() * 0.2;
  const paymentId = index === 7 ? `p-${hostile}`.slice(0, 128) : `sim-${String(index).padStart(8, '0')}`;
  const decision: Decision = {
    decisionId: `d-${index}`,
    paymentId,
    tenantId: 'default',
    action,
    score,
    reasons: [
      ...fired.map(([code, text]) => ({ code, text: index % 5 === 0 ? `${text} ${hostile}` : text, weight: 0.4 })),
      ...(action === 'hold' ? [modelReason] : []),
    ],
    rules: fired.map(([id]) => ({ id, version: 3 })),
    model: index % 9 === 0 ? null : { id: 'handbook-mlp', version: 'c0ffee'.repeat(10) + 'abcd', probability: score },
    releaseId: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    degraded: index % 11 === 0 ? ['model:deadline'] : [],
    mode: 'live',
    occurredAt: new Date(decidedAtMs - 120).toISOString(),
    decidedAt: new Date(decidedAtMs).toISOString(),
    latencyMicros: Math.round(600 + random() * 2_000),
  };
  const payment = {
    paymentId,
    occurredAt: decision.occurredAt,
    amountMinor: Math.round(random() * 250_000),
    currency: index % 6 === 0 ? 'JPY' : 'EUR',
    customerId: `C-${1_000 + (index % 37)}`,
    cardId: `card-${index % 53}`,
    terminalId: `T-${index % 17}`,
    deviceId: 'device-8f2a',
    ipAddress: '203.0.113.7',
    channel: index % 3 === 0 ? 'card_present' : 'ecommerce',
    country: ['DE', 'FR', 'BR', 'US'][index % 4],
    attributes: { basket: hostile, retry: true },
  };
  return { decision, payment };
}

const features = Object.fromEntries(
  ['customer', 'card', 'terminal', 'device', 'ip'].flatMap((entity, e) =>
    ['1h', '24h', '7d', '30d'].flatMap((window, w) => [
      [`${entity}.count.${window}`, { value: 1 + e * w }],
      [
        `${entity}.sum.amountMinor.${window}`,
        w === 3 ? { value: 184_000.5, exact: false, bound: 12 } : { value: e === 4 ? null : 1_234 * w },
      ],
    ]),
  ),
);

function viewOf(item: StubItem, labels: readonly unknown[]): unknown {
  const explanation = item.decision.rules.map((rule) => ({
    ruleId: rule.id,
    text: ruleTexts.find(([id]) => id === rule.id)?.[1] ?? '',
    tree: {
      kind: 'all',
      result: true,
      children: [
        {
          kind: 'condition',
          result: true,
          fact: 'card.count.10m',
          operator: 'greaterThanInclusive',
          expected: 5,
          seen: 14,
        },
        {
          kind: 'any',
          result: true,
          children: [
            { kind: 'condition', result: false, fact: 'country', operator: 'in', expected: ['BR', 'NG'], seen: 'DE' },
            {
              kind: 'condition',
              result: true,
              fact: 'attributes.basket',
              operator: 'equal',
              expected: hostile,
              seen: hostile,
            },
          ],
        },
      ],
    },
  }));
  return { ...item.decision, payment: item.payment, features, explanation, labels };
}

export interface World {
  items: StubItem[];
  labels: Map<string, unknown[]>;
  dependencies: DependencyState[];
  /** Answers everything under /v1 instead, where set. */
  failure: Answer | undefined;
}

export function makeWorld(count: number): World {
  const nowMs = Date.now();
  return {
    items: Array.from({ length: count }, (_, i) => makeItem(i + 1, nowMs - i * 4_000)),
    labels: new Map(),
    dependencies: [
      { name: 'journal', state: 'up' },
      { name: 'velocity', state: 'up', detail: '1,204 entities, 0 to write' },
      { name: 'model', state: 'up', detail: 'kernel' },
      { name: 'analytics', state: 'degraded', detail: 'starting; 312 rows behind' },
    ],
    failure: undefined,
  };
}

function summaryOf(world: World, url: URL): DecisionSummary {
  const [fromMs, toMs, bucketMs] = ['fromMs', 'toMs', 'bucketMs'].map((name) => Number(url.searchParams.get(name))) as [
    number,
    number,
    number,
  ];
  const at = (item: { decision: Decision }): number => Date.parse(item.decision.decidedAt);
  const inside = world.items.filter((item) => at(item) >= fromMs && at(item) < toMs);
  const held = (items: typeof inside): number => items.filter((item) => item.decision.action === 'hold').length;
  const series: { atMs: number; decisions: number; holds: number }[] = [];
  for (let atMs = Math.floor(fromMs / bucketMs) * bucketMs; atMs < toMs; atMs += bucketMs) {
    const bucket = inside.filter((item) => at(item) >= atMs && at(item) < atMs + bucketMs);
    series.push({ atMs, decisions: bucket.length, holds: held(bucket) });
  }
  const topRules = ruleTexts
    .map(([id]) => inside.filter((item) => item.decision.rules.some((rule) => rule.id === id)))
    .map((items, i) => ({ id: ruleTexts[i]?.[0] ?? '', hits: items.length, holds: held(items) }))
    .filter((rule) => rule.hits > 0)
    .sort((a, b) => b.hits - a.hits);
  const some = inside.length > 0;
  const labels = some
    ? { fraud: 18, fraudHeld: 15, legitimate: 40, legitimateHeld: 3 }
    : { fraud: 0, fraudHeld: 0, legitimate: 0, legitimateHeld: 0 };
  return {
    total: inside.length,
    holds: held(inside),
    latencyMicros: { p50: some ? 812 : 0, p99: some ? 4_230 : 0 },
    series,
    topRules,
    labels,
  };
}

/** Answers as the API would, from the world as it is at that moment. */
export function respondFrom(world: World): Responder {
  return function respond(url, body) {
    if (url.pathname === '/readyz') return { status: 200, body: { ready: true, dependencies: world.dependencies } };
    if (world.failure !== undefined) return world.failure;
    if (url.pathname === '/v1/summary') return { status: 200, body: summaryOf(world, url) };
    if (url.pathname === '/v1/labels') {
      const label = JSON.parse(body) as { paymentId: string };
      world.labels.set(label.paymentId, [...(world.labels.get(label.paymentId) ?? []), label]);
      return { status: 200, body: { status: 'recorded' } };
    }
    const asked = /^\/v1\/decisions\/(.+)$/.exec(url.pathname)?.[1];
    if (asked === undefined) return { status: 200, body: listOf(world, url) };
    const item = world.items.find((one) => one.decision.paymentId === decodeURIComponent(asked));
    if (item === undefined) return { status: 404, body: { title: 'Not found' } };
    return { status: 200, body: viewOf(item, world.labels.get(item.decision.paymentId) ?? []) };
  };
}

function listOf(world: World, url: URL): unknown {
  const given = (name: string): string => url.searchParams.get(name) ?? '';
  const limit = Number(given('limit') || 50);
  const from = Number(given('cursor') || 0);
  const found = world.items
    .filter((item) => given('action') === '' || item.decision.action === given('action'))
    .filter((item) => given('customerId') === '' || item.payment['customerId'] === given('customerId'))
    .filter((item) => given('ruleId') === '' || item.decision.rules.some((rule) => rule.id === given('ruleId')))
    .filter((item) => item.decision.score >= Number(given('scoreMin') || 0))
    .filter((item) => Date.parse(item.decision.decidedAt) >= Number(given('fromMs') || 0))
    .sort((a, b) => Date.parse(b.decision.decidedAt) - Date.parse(a.decision.decidedAt));
  const next = from + limit < found.length ? String(from + limit) : undefined;
  return { items: found.slice(from, from + limit), next };
}
