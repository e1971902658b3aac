/** Simulated payments, decided by a release as the pipeline decides: records and the truth about each. */
import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import { createPaymentDecoder } from '../../src/domain/decode.ts';
import { Payment } from '../../src/domain/payment.ts';
import type { VelocityMemory } from '../../src/features/types.ts';
import { Batch } from '../../src/pipeline/batch.ts';
import { encodedRecords } from '../../src/pipeline/codec.ts';
import { decideBatch } from '../../src/pipeline/decide.ts';
import type { DecisionRecord } from '../../src/pipeline/ports.ts';
import { fillBatch, scoreInline } from '../../src/pipeline/score.ts';
import type { CompiledRelease } from '../../src/releases/compile.ts';
import { createPaymentStream } from '../../src/simulator/stream.ts';

export interface DecidedPayment {
  readonly record: DecisionRecord;
  readonly fraud: boolean;
}

const batchRowsDefault = 64;
const dayMs = 86_400_000;
const simulation = { seed: 11, customers: 60, terminals: 20, days: 30, profile: 'full', attacksPerDay: 10 } as const;

export interface DecidedBatch {
  readonly memory: VelocityMemory;
  /** In the order in which they were counted. */
  readonly payments: readonly { readonly payment: Payment; readonly fraud: boolean }[];
  readonly decidedAtMs: number;
  readonly number: number;
}

export interface DecidedOptions {
  /** Payments decided at one time. */
  readonly batchRows?: number;
  /** The order in which those of a batch are counted; as they occurred unless told. */
  readonly inOrder?: <T>(payments: readonly T[]) => readonly T[];
  /** Told of each batch, with the state that it was counted in. */
  readonly onBatch?: (batch: DecidedBatch) => void;
}

/** The first `count` payments of one simulation; they end about now, so that no retention takes them. */
export function decidedPayments(
  release: CompiledRelease,
  count: number,
  tenantId = 'default',
  { batchRows = batchRowsDefault, inOrder = (payments) => payments, onBatch }: DecidedOptions = {},
): DecidedPayment[] {
  const startMs = Math.floor(Date.now() / dayMs) * dayMs - simulation.days * dayMs;
  const memory = createVelocityMemory(release.features);
  const decoder = createPaymentDecoder();
  const batch = new Batch(release, batchRows);
  const decided: DecidedPayment[] = [];
  let waiting: { readonly body: Buffer; readonly payment: Payment; readonly fraud: boolean }[] = [];
  let number = 0;

  function decide(): void {
    const decidedAtMs = (waiting.at(-1)?.payment.occurredAtMs ?? 0) + 50;
    waiting = [...inOrder(waiting)];
    const payments = waiting.map(({ payment }) => payment);
    batch.start(payments);
    memory.appendAndRead(tenantId, payments, batch.features, ++number);
    fillBatch(batch);
    scoreInline(batch, true);
    const bodies = waiting.map(({ body }) => body);
    const records = encodedRecords(decideBatch(batch, tenantId, bodies, { decidedAtMs, latencyMicros: () => 100 }));
    records.forEach((record, row) => decided.push({ record, fraud: waiting[row]?.fraud === true }));
    onBatch?.({ memory, payments: waiting, decidedAtMs, number });
    waiting = [];
  }

  for (const { payment: json, label } of createPaymentStream({ ...simulation, startMs })) {
    const body = Buffer.from(JSON.stringify(json));
    const payment = decoder.decode(body, Number.POSITIVE_INFINITY);
    if (!(payment instanceof Payment)) throw new Error('the simulator made a payment that is refused');
    waiting.push({ body, payment, fraud: label === 'fraud' });
    if (waiting.length === batchRows || decided.length + waiting.length === count) decide();
    if (decided.length === count) break;
  }
  return decided;
}
