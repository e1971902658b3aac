/** Simulated payments, decided by a release as the pipeline decides: records and the truth about each. */
import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import { createPaymentDecoder } from '../../src/domain/decode.ts';
import { Payment } from '../../src/domain/payment.ts';
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

const batchRows = 64;
const dayMs = 86_400_000;
const simulation = { seed: 11, customers: 60, terminals: 20, days: 30, profile: 'full', attacksPerDay: 10 } as const;

/** The first `count` payments of one simulation; they end about now, so that no retention takes them. */
export function decidedPayments(release: CompiledRelease, count: number, tenantId = 'default'): DecidedPayment[] {
  const startMs = Math.floor(Date.now() / dayMs) * dayMs - simulation.days * dayMs;
  const memory = createVelocityMemory(release.features);
  const decoder = createPaymentDecoder();
  const batch = new Batch(release, batchRows);
  const decided: DecidedPayment[] = [];
  let waiting: { readonly body: Buffer; readonly payment: Payment; readonly fraud: boolean }[] = [];
  let number = 0;

  function decide(): void {
    const payments = waiting.map(({ payment }) => payment);
    batch.start(payments);
    memory.appendAndRead(tenantId, payments, batch.features, ++number);
    fillBatch(batch);
    scoreInline(batch, true);
    const decidedAtMs = (payments.at(-1) as Payment).occurredAtMs + 50;
    const bodies = waiting.map(({ body }) => body);
    const records = encodedRecords(decideBatch(batch, tenantId, bodies, { decidedAtMs, latencyMicros: () => 100 }));
    records.forEach((record, row) => decided.push({ record, fraud: waiting[row]?.fraud === true }));
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
