/** Labels from their topic: counted in the velocity state and remembered with their payment, not appended to it again. */
import { createPaymentDecoder } from '../../domain/decode.ts';
import type { Label } from '../../domain/label.ts';
import { Payment } from '../../domain/payment.ts';
import type { DecisionCache, DecisionStore, VelocityStore } from '../../pipeline/ports.ts';

type Outcome = 'recorded' | 'unknown';

export interface LabelTools {
  readonly records: Required<Pick<DecisionStore, 'find'>>;
  readonly cache: Pick<DecisionCache, 'recordLabels'>;
  readonly velocity: Pick<VelocityStore, 'markLabel'>;
}

/** @returns a function that rejects, with nothing lost, where Redis is away: the labels come again */
export function createLabelApplier({ records: decisions, cache, velocity }: LabelTools, tenantId: string) {
  const decoder = createPaymentDecoder();
  return async (labels: readonly Label[]): Promise<readonly Outcome[]> => {
    const records = await decisions.find(
      tenantId,
      labels.map(({ paymentId }) => paymentId),
    );
    const known: Label[] = [];
    const outcomes: Outcome[] = [];
    for (const [i, label] of labels.entries()) {
      const record = records[i];
      const payment = record === undefined ? undefined : decoder.decode(record.payment, Number.POSITIVE_INFINITY);
      if (payment instanceof Payment) {
        await velocity.markLabel(tenantId, payment, label.label === 'fraud', 0);
        known.push(label);
        outcomes.push('recorded');
      } else outcomes.push('unknown');
    }
    if (known.length > 0) await cache.recordLabels(tenantId, known);
    return outcomes;
  };
}
