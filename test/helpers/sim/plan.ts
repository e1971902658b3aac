/** What happens in a history, drawn from its seed: payments and where they come in, labels, and which faults there are. */
import { type Label, labelToJson } from '../../../src/domain/label.ts';
import { deriveSeed, Random } from '../../../src/simulator/random.ts';

/** Kinds of faults; each can be left out of a history that fails, to see which of them matter. */
export const faultKinds = [
  'crash',
  'stop',
  'rebalance',
  'kafka',
  'redis',
  'analytics',
  'disk',
  'conflict',
  'poison',
  'clock',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Sending {
  readonly atMs: number;
  readonly how: 'topic' | 'api';
  /** Of an API call. */
  readonly deadlineMs: number;
}

export interface PlannedPayment {
  readonly paymentId: string;
  readonly body: Uint8Array;
  readonly customerId: string;
  readonly terminalId: string;
  /** A power of two of its own: sums tell which payments were counted. */
  readonly amountMinor: number;
  readonly sendings: readonly Sending[];
  /** Whether whoever sends it by the API goes on until it is decided. */
  readonly persistent: boolean;
}

/** All say fraud; each is one of its own by its time. */
export interface PlannedLabel {
  readonly atMs: number;
  readonly paymentId: string;
  readonly how: 'topic' | 'api';
  readonly labelledAtMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly composition: Composition;
  readonly faults: ReadonlySet<FaultKind>;
  readonly partitions: number;
  readonly streams: number;
  readonly serves: number;
  readonly sinks: number;
  readonly cluster: boolean;
  readonly payments: readonly PlannedPayment[];
  /** Messages on the payments topic that are no payments. */
  readonly poison: readonly { readonly atMs: number; readonly value: Uint8Array }[];
  readonly labels: readonly PlannedLabel[];
  /** When the last payment or label is sent for the first time. */
  readonly lastAtMs: number;
  /** Until then things go wrong; after that everything must come right. */
  readonly calmAtMs: number;
}

export type Composition = 'roles' | 'up';

export interface PlanLimits {
  /** What runs: `serve`, `stream` and `sink` as processes, or `up` with Kafka. */
  readonly composition?: Composition;
  readonly without?: readonly FaultKind[];
  readonly paymentsMax?: number;
}

const shares: Readonly<Record<FaultKind, number>> = {
  crash: 0.7,
  stop: 0.3,
  rebalance: 0.4,
  kafka: 0.4,
  redis: 0.3,
  analytics: 0.3,
  disk: 0.15,
  conflict: 0.2,
  poison: 0.3,
  clock: 0.2,
};

/** When the first payment happened; the world's own clock begins here. */
const startMs = Date.UTC(2026, 0, 5, 10);

function paymentOf(random: Random, index: number, paymentId: string, spreadMs: number): PlannedPayment {
  const customerId = `c${random.below(3)}`;
  const terminalId = `t${random.below(2)}`;
  const amountMinor = 2 ** index;
  const occurredAt = new Date(startMs - random.below(120_000)).toISOString();
  const body = JSON.stringify({ paymentId, occurredAt, amountMinor, currency: 'EUR', customerId, terminalId });
  const sendings: Sending[] = [];
  const many = random.chance(0.4) ? random.integer(2, 3) : 1;
  for (let i = 0; i < many; i++) {
    const how = random.chance(0.6) ? 'topic' : 'api';
    const first = sendings[0];
    const close = first !== undefined && random.chance(0.5);
    const atMs = close ? first.atMs + random.uniform(0, 6) : random.uniform(0, spreadMs);
    sendings.push({ atMs, how, deadlineMs: random.pick([5, 30, 100, 1000]) });
  }
  const persistent = random.chance(0.8);
  return { paymentId, body: Buffer.from(body), customerId, terminalId, amountMinor, sendings, persistent };
}

export function labelOf({ paymentId, labelledAtMs }: PlannedLabel): Label {
  return { paymentId, label: 'fraud', source: 'chargeback', labelledAtMs };
}

export function labelBytes(label: PlannedLabel): Uint8Array {
  return Buffer.from(JSON.stringify(labelToJson(labelOf(label))));
}

export function planOf(seed: number, { without = [], paymentsMax = 50, composition = 'roles' }: PlanLimits = {}): Plan {
  const random = new Random(deriveSeed(seed, 2));
  const drawn = faultKinds.filter((kind) => random.chance(shares[kind]));
  const faults = new Set(drawn.filter((kind) => !without.includes(kind)));
  const spreadMs = random.pick([20, 200, 2000]);
  const many = random.integer(3, 14);
  const payments: PlannedPayment[] = [];
  for (let i = 0; i < many; i++) {
    const payment = paymentOf(random, 2 * i, `p${i}`, spreadMs);
    const rival = paymentOf(random, 2 * i + 1, `p${i}`, spreadMs);
    const hasRival = random.chance(0.15);
    if (i >= paymentsMax) continue;
    payments.push(payment);
    if (hasRival && faults.has('conflict')) payments.push(rival);
  }
  const poison = Array.from({ length: faults.has('poison') ? random.integer(1, 3) : 0 }, (_, i) => ({
    atMs: random.uniform(0, spreadMs),
    value: Buffer.from(`{"paymentId": "poison ${i}`),
  }));
  const sinks = random.integer(0, 2);
  const labels = payments
    .filter(() => random.chance(0.2))
    .map(({ paymentId }, i) => ({
      atMs: random.uniform(0, 2 * spreadMs),
      labelledAtMs: startMs - 1000 + i,
      paymentId: random.chance(0.1) ? 'nobody' : paymentId,
      how: random.chance(0.5) ? ('topic' as const) : ('api' as const),
    }));
  return {
    seed,
    composition,
    faults,
    partitions: random.integer(1, 3),
    streams: random.integer(1, 2),
    serves: random.integer(1, 2),
    sinks: composition === 'up' ? 0 : sinks,
    cluster: random.chance(0.3),
    payments,
    poison,
    labels,
    lastAtMs: 2 * spreadMs + 12,
    calmAtMs: spreadMs + random.uniform(100, 3000),
  };
}
