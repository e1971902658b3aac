/**
 * `windows`: what append-and-read of one entity costs when the window is long, when it is full, and when there are many
 * entities. Every aggregate takes part. Two stores a metric, fed in turn, compared round by round.
 */
import { createVelocityMemory } from '../src/adapters/memory/velocity.ts';
import { Payment } from '../src/domain/payment.ts';
import { createFeatureMatrix } from '../src/features/frame.ts';
import { compileFeatures } from '../src/features/program.ts';
import { uniform } from './fixtures/randomModel.ts';
import { median, printMetric } from './lib.ts';

const rounds = 15;
const warmUpRounds = 3;
const batchRows = 256;
const batchesPerRound = 80;
const dayMs = 86_400_000;
const startMs = Date.UTC(2025, 0, 1);
const countries = ['DE', 'FR', 'US', 'GB', 'ES', 'IT'] as const;

const aggregates = [
  { aggregate: 'count' },
  { aggregate: 'sum', field: 'amountMinor' },
  { aggregate: 'mean', field: 'amountMinor' },
  { aggregate: 'stddev', field: 'amountMinor' },
  { aggregate: 'min', field: 'amountMinor' },
  { aggregate: 'max', field: 'amountMinor' },
  { aggregate: 'distinct', field: 'country' },
] as const;

interface Load {
  readonly window: string;
  /** Keeps 90 days of events whatever window is asked for. */
  readonly longHistory?: true;
  readonly customers: number;
  /** Between two payments of one customer, milliseconds. */
  readonly spacingMs: number;
  /** Payments of every customer before the clock starts. */
  readonly history: number;
}

/** Feeds one store with the payments of its customers in turn, in event-time order. */
class Feed {
  readonly #memory: ReturnType<typeof createVelocityMemory>;
  readonly #load: Load;
  readonly #out: ReturnType<typeof createFeatureMatrix>;
  readonly #random = uniform(11);
  readonly #names: readonly string[];
  #number = 0;

  constructor(load: Load) {
    const program = compileFeatures({
      version: 1,
      features: [
        ...aggregates.map((definition) => ({ entity: 'customer', windows: [load.window], ...definition })),
        ...(load.longHistory === true
          ? [{ entity: 'customer', aggregate: 'count', windows: ['60d'], delay: '30d' }]
          : []),
      ],
    });
    this.#load = load;
    this.#memory = createVelocityMemory(program);
    this.#out = createFeatureMatrix(program.names.length, batchRows);
    this.#names = Array.from({ length: load.customers }, (_, i) => `customer-${i}`);
    const batches = Math.ceil((load.customers * load.history) / batchRows);
    for (let batch = 0; batch < batches; batch++) this.#append(this.#payments());
  }

  /** Microseconds a payment. */
  round(): number {
    const batches = Array.from({ length: batchesPerRound }, () => this.#payments());
    const from = performance.now();
    for (const payments of batches) this.#append(payments);
    return ((performance.now() - from) * 1000) / (batchesPerRound * batchRows);
  }

  #append(payments: readonly Payment[]): void {
    this.#memory.appendAndRead('default', payments, this.#out, 1);
  }

  #payments(): Payment[] {
    const { customers, spacingMs } = this.#load;
    return Array.from({ length: batchRows }, () => {
      const n = this.#number++;
      // Customers take turns, but not in the order of their places in memory.
      const customer = (n * 7919) % customers;
      return Object.assign(new Payment(), {
        paymentId: `p-${n}`,
        occurredAtMs: Math.floor(startMs + (n / customers) * spacingMs),
        amountMinor: 1 + Math.floor(this.#random() * 100_000),
        currency: 'EUR',
        customerId: this.#names[customer],
        country: countries[Math.floor(this.#random() * countries.length)],
      });
    });
  }
}

function compare(metric: string, above: Load, below: Load): void {
  const [upper, lower] = [new Feed(above), new Feed(below)];
  for (let round = 0; round < warmUpRounds; round++) {
    upper.round();
    lower.round();
  }
  const uppers: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const lowerMicros = lower.round();
    const upperMicros = upper.round();
    uppers.push(upperMicros);
    ratios.push(upperMicros / lowerMicros);
  }
  const spread = [Math.min(...ratios), Math.max(...ratios)] as const;
  printMetric({
    bench: 'windows',
    metric,
    value: median(ratios),
    unit: 'x',
    n: rounds,
    spread,
    micros: median(uppers),
  });
}

export function run(): Promise<void> {
  // 200 payments of every customer in 90 days; the hour holds the payment alone. Both keep the same history.
  const usual = { customers: 200, spacingMs: (90 * dayMs) / 200, history: 250, longHistory: true } as const;
  compare('long_over_short', { ...usual, window: '90d' }, { ...usual, window: '1h' });
  // 1,000 events in the window beside 10.
  const full = { window: '30d', customers: 50 };
  const dense = { ...full, spacingMs: (30 * dayMs) / 1000, history: 1100 };
  const sparse = { ...full, spacingMs: (30 * dayMs) / 10, history: 30 };
  compare('dense_over_sparse', dense, sparse);
  // The same, but 90 days of the dense ones are 3,000 events, more than the ring holds: the oldest are folded into buckets.
  compare('folded_over_sparse', { ...dense, longHistory: true }, { ...sparse, longHistory: true });
  const few = { window: '30d', spacingMs: 10 * dayMs, history: 3 };
  compare('million_over_thousand', { ...few, customers: 1_000_000 }, { ...few, customers: 1000 });
  return Promise.resolve();
}
