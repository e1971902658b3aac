/**
 * Runs simulated payments through the pure middle before the first real one comes, so that it meets compiled code: else
 * the first answers after a start take longer than their deadline allows. Nothing of it is stored.
 */
import { createVelocityMemory } from '../../adapters/memory/velocity.ts';
import { createPaymentDecoder } from '../../domain/decode.ts';
import { Payment } from '../../domain/payment.ts';
import { Batch } from '../../pipeline/batch.ts';
import { decideBatch } from '../../pipeline/decide.ts';
import { fillBatch, scoreInline } from '../../pipeline/score.ts';
import type { CompiledRelease } from '../../releases/compile.ts';
import { createPaymentStream } from '../../simulator/stream.ts';

const warmUpPayments = 1500;
/** Most answers are made one by one. */
const batchSizes = [1, 1, 1, 1, 8] as const;
const startMs = Date.UTC(2026, 0, 1);
const simulation = { seed: 1, customers: 200, terminals: 50, days: 10, profile: 'full', attacksPerDay: 20 } as const;

export function warmUp(release: CompiledRelease, nowMs: number): void {
  const decoder = createPaymentDecoder();
  const memory = createVelocityMemory(release.features);
  const batch = new Batch(release, Math.max(...batchSizes));
  let bodies: Buffer[] = [];
  let round = 0;
  let done = 0;
  for (const { payment } of createPaymentStream({ ...simulation, startMs })) {
    bodies.push(Buffer.from(JSON.stringify(payment)));
    if (bodies.length < (batchSizes[round % batchSizes.length] as number)) continue;
    const decoded = bodies.map((body) => decoder.decode(body, Number.POSITIVE_INFINITY));
    const payments = decoded.filter((one) => one instanceof Payment);
    batch.start(payments);
    memory.appendAndRead('warm-up', payments, batch.features, ++round);
    fillBatch(batch);
    scoreInline(batch, true);
    decideBatch(batch, 'warm-up', bodies, { decidedAtMs: nowMs, latencyMicros: () => 0 });
    done += bodies.length;
    bodies = [];
    if (done >= warmUpPayments) return;
  }
}
