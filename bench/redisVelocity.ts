/**
 * `redis-velocity`: velocity of 4 entities with 60 events each, 20 features, in a private Redis; beside the textbook way, a
 * sorted set an entity: ZADD, ZREMRANGEBYSCORE, ZRANGE, pipelined, the windows counted here. Same payments, same batches,
 * as many batches in flight, in turn. `copies: false` is this store without what it keeps of entities it has just seen.
 */
import { Redis } from 'ioredis';
import { connectRedis } from '../src/adapters/redis/connection.ts';
import { RedisVelocityStore } from '../src/adapters/redis/velocity.ts';
import { Payment } from '../src/domain/payment.ts';
import { createFeatureMatrix } from '../src/features/frame.ts';
import { compileFeatures } from '../src/features/program.ts';
import { unreachable } from '../src/config/exit.ts';
import { missing } from '../scripts/services/install.ts';
import { startRedis } from '../scripts/services/redis.ts';
import { TextbookVelocity } from './fixtures/textbookVelocity.ts';
import { uniform } from './fixtures/randomModel.ts';
import { median, printMetric } from './lib.ts';

const rounds = 9;
const warmUpRounds = 2;
const batchRows = 128;
const batchesPerRound = 16;
const inFlight = 2;
/** Entities of each kind; every one has 60 events in its longest window. */
const entitiesPerKind = 400;
const eventsPerEntity = 60;
const windowDays = 30;
const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);
const kinds = ['customer', 'card', 'device', 'terminal'] as const;
const features = compileFeatures({
  version: 1,
  features: kinds.flatMap((entity) => [
    { entity, aggregate: 'count' as const, windows: ['1h', '24h', '7d', '30d'] },
    { entity, aggregate: 'sum' as const, field: 'amountMinor' as const, windows: ['30d'] },
  ]),
});

/** Something that appends a batch and computes its 20 features a payment. */
interface Contender {
  append(payments: readonly Payment[]): Promise<void>;
}

/** The same payments for everyone: entities take turns, each kind in another order. */
class Payments {
  readonly #random = uniform(7);
  #number = 0;

  batch(): Payment[] {
    return Array.from({ length: batchRows }, () => this.#payment(this.#number++));
  }

  #payment(n: number): Payment {
    const spacingMs = (windowDays * dayMs) / eventsPerEntity;
    const own = (factor: number): number => (n * factor) % entitiesPerKind;
    return Object.assign(new Payment(), {
      paymentId: `payment-${String(n).padStart(9, '0')}`,
      occurredAtMs: Math.floor(startMs + (n / entitiesPerKind) * spacingMs),
      amountMinor: 1 + Math.floor(this.#random() * 100_000),
      currency: 'EUR',
      customerId: `customer-${own(1)}`,
      cardId: `card-${own(7)}`,
      deviceId: `device-${own(11)}`,
      terminalId: `terminal-${own(13)}`,
    });
  }
}

async function feed(contender: Contender, batches: readonly Payment[][]): Promise<number> {
  const from = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let own = batches[next++]; own !== undefined; own = batches[next++]) await contender.append(own);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (batches.length * batchRows * 1000) / (performance.now() - from);
}

async function bytesPerEntity(url: string, pattern: string): Promise<number> {
  const client = new Redis(url);
  let bytes = 0;
  let keys = 0;
  for await (const found of client.scanStream({ match: pattern, count: 1000 })) {
    for (const key of found as string[]) {
      bytes += (await client.memory('USAGE', key, 'SAMPLES', 0)) ?? 0;
      keys++;
    }
  }
  client.disconnect();
  return bytes / keys;
}

export async function run(): Promise<void> {
  const reason = missing('redis');
  if (reason !== undefined) throw unreachable(reason);
  const server = await startRedis();
  const connections = [1, 2].map((db) =>
    connectRedis({ urls: [`${server.url}/${db}`], cluster: false, commandTimeoutMs: 10_000 }),
  );
  const textbook = new TextbookVelocity(`${server.url}/0`, kinds);
  try {
    await Promise.all(connections.map((connection) => connection.whenReady(5000)));
    const stores = connections.map((connection, i) => {
      return new RedisVelocityStore({ program: features, connection, ...(i === 0 ? {} : { copiesBytesMax: 1 }) });
    });
    const ours = stores.map((store): Contender => {
      const outs = Array.from({ length: inFlight }, () => createFeatureMatrix(features.names.length, batchRows));
      return {
        async append(payments) {
          const out = outs.pop() ?? createFeatureMatrix(features.names.length, batchRows);
          await store.appendAndRead('default', payments, out, 1);
          outs.push(out);
        },
      };
    });
    const contenders: Contender[] = [...ours, textbook];
    await compare(contenders);
    const [own, sets] = [
      await bytesPerEntity(`${server.url}/1`, 'v:*'),
      await bytesPerEntity(`${server.url}/0`, 'z:*'),
    ];
    printMetric({
      bench: 'redis-velocity',
      metric: 'bytes_per_entity',
      value: own,
      unit: 'B',
      ratio_to: 'textbook',
      ratio: own / sets,
      n: entitiesPerKind * kinds.length,
      spread: [own, own],
      textbook_bytes: Math.round(sets),
      events: eventsPerEntity,
    });
    await Promise.all(stores.map((store) => store.close()));
  } finally {
    textbook.close();
    await Promise.all(connections.map((connection) => connection.close()));
    await server.stop();
  }
}

async function compare(contenders: readonly Contender[]): Promise<void> {
  const payments = new Payments();
  const batches = (count: number): Payment[][] => Array.from({ length: count }, () => payments.batch());
  const history = batches(Math.ceil((entitiesPerKind * eventsPerEntity) / batchRows));
  for (const contender of contenders) await feed(contender, history);
  const rates: number[][] = contenders.map(() => []);
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    const own = batches(batchesPerRound);
    for (const [i, contender] of contenders.entries()) {
      const rate = await feed(contender, own);
      if (round >= warmUpRounds) rates[i]?.push(rate);
    }
  }
  const [textbook = []] = rates.slice(-1);
  rates.slice(0, -1).forEach((own, i) => {
    const ratios = own.map((rate, round) => rate / (textbook[round] ?? Number.NaN));
    printMetric({
      bench: 'redis-velocity',
      metric: 'payments_per_s',
      value: median(own),
      unit: '1/s',
      ratio_to: 'textbook',
      ratio: median(ratios),
      n: rounds,
      spread: [Math.min(...own), Math.max(...own)],
      copies: i === 0,
      batch: batchRows,
    });
  });
}
