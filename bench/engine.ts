/**
 * `engine`: one thread, payment bytes → decision bytes, in batches of 256, beside JSON.parse of the same bytes. The steps
 * are the pipeline's own (decode, enrich in memory, score, decide, serialise); only the durable write is left out.
 */
import { createVelocityMemory } from '../src/adapters/memory/velocity.ts';
import { createPaymentDecoder } from '../src/domain/decode.ts';
import { Payment } from '../src/domain/payment.ts';
import { Batch } from '../src/pipeline/batch.ts';
import { decideBatch } from '../src/pipeline/decide.ts';
import { fillBatch, scoreInline } from '../src/pipeline/score.ts';
import type { CompiledRelease } from '../src/releases/compile.ts';
import { compileRelease } from '../src/releases/compile.ts';
import { engineBundle, engineFeatureNames } from './fixtures/engineRelease.ts';
import { randomArtefact } from './fixtures/randomModel.ts';
import { benchPayments } from './fixtures/payments.ts';
import { median, printMetric } from './lib.ts';

export const batchRows = 256;
const batches = 100;
const rounds = 15;
const warmUpRounds = 12;
const engineRules = 50;
/** Event time of the first payment: fixed, so that every run does the same work. */
const fromMs = Date.UTC(2026, 0, 1);

/** Decides whole batches in memory, as the pipeline does. */
export class BareEngine {
  readonly #release: CompiledRelease;
  readonly #memory: ReturnType<typeof createVelocityMemory>;
  readonly #batch: Batch;
  readonly #decoder = createPaymentDecoder();
  #number = 0;

  constructor(release: CompiledRelease) {
    this.#release = release;
    this.#memory = createVelocityMemory(release.features, {});
    this.#batch = new Batch(release, batchRows);
  }

  /** @returns the bytes of the decisions, added up (so that nothing is optimised away). */
  decide(bodies: readonly Uint8Array[]): number {
    const receivedMs = performance.now();
    const payments = bodies.map((body) => {
      const decoded = this.#decoder.decode(body, Number.POSITIVE_INFINITY);
      if (!(decoded instanceof Payment)) throw new Error('the benchmark payment was refused');
      return decoded;
    });
    const batch = this.#batch;
    batch.start(payments);
    this.#memory.appendAndRead('default', payments, batch.features, ++this.#number);
    fillBatch(batch);
    const failure = scoreInline(batch, true);
    if (failure !== undefined) throw new Error('scoring failed', { cause: failure });
    const latency = Math.round((performance.now() - receivedMs) * 1000);
    const times = { decidedAtMs: Date.now(), latencyMicros: () => latency };
    const records = decideBatch(batch, 'default', bodies, times);
    return records.reduce((sum, record) => sum + record.decision.byteLength, 0);
  }

  get release(): CompiledRelease {
    return this.#release;
  }
}

export function batchesOf(bodies: readonly Buffer[]): Buffer[][] {
  return Array.from({ length: Math.floor(bodies.length / batchRows) }, (_, i) =>
    bodies.slice(i * batchRows, (i + 1) * batchRows),
  );
}

/**
 * Population and density of the Fraud Detection Handbook's public data: 5,000 customers, 10,000 terminals, 9,600 payments
 * a day. Each round has its own payments; the warm-up covers the longest window, so that histories neither grow nor are new.
 */
export function benchRound(round: number, count: number): Buffer[] {
  const options = { customers: 5000, terminals: 10_000, stepMs: 9000 };
  return benchPayments({ ...options, count, seed: round + 1, fromMs: fromMs + round * count * options.stepMs }).map(
    (text) => Buffer.from(text),
  );
}

/** Microseconds an event. */
export function timed(events: number, work: () => void): number {
  const from = performance.now();
  work();
  return ((performance.now() - from) * 1000) / events;
}

export async function run(): Promise<void> {
  const release = await compileRelease(engineBundle(engineRules, randomArtefact(engineFeatureNames, 1)));
  const engine = new BareEngine(release);
  const events = batches * batchRows;
  const ours: number[] = [];
  const parse: number[] = [];
  let sink = 0;
  for (let round = 0; round < rounds + warmUpRounds; round++) {
    const bodies = benchRound(round, events);
    const grouped = batchesOf(bodies);
    const parseMicros = timed(events, () => {
      for (const body of bodies) sink += Object.keys(JSON.parse(body.toString()) as object).length;
    });
    const ourMicros = timed(events, () => {
      for (const group of grouped) sink += engine.decide(group);
    });
    if (round < warmUpRounds) continue;
    parse.push(parseMicros);
    ours.push(ourMicros);
  }
  if (sink === 0) throw new Error('nothing was done');
  const ratios = ours.map((micros, i) => micros / (parse[i] as number));
  printMetric({
    bench: 'engine',
    metric: 'micros_per_event',
    value: median(ours),
    unit: 'us',
    ratio_to: 'json_parse',
    ratio: median(ratios),
    n: rounds,
    spread: [Math.min(...ours), Math.max(...ours)],
  });
}
