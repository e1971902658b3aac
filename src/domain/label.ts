/** What became of a payment, as told later by a chargeback, an analyst or the customer. Its shape is the schema's. */
import type { Static } from 'typebox';
import type { DeepReadonly } from './readonly.ts';
import type { labelSchema } from './schemas.ts';

export const labelValues = ['fraud', 'legitimate'] as const;
export const labelSources = ['chargeback', 'analyst', 'customer', 'other'] as const;

/** A label as it is sent and answered. */
export type LabelJson = DeepReadonly<Static<typeof labelSchema>>;
export type LabelValue = LabelJson['label'];
export type LabelSource = LabelJson['source'];

/** A label as decoded: the same, its time in milliseconds since the Unix epoch. */
export type Label = Omit<LabelJson, 'labelledAt'> & { readonly labelledAtMs: number };

/** The label as JSON carries it. */
export function labelToJson({ paymentId, label, source, labelledAtMs }: Label): LabelJson {
  return { paymentId, label, source, labelledAt: new Date(labelledAtMs).toISOString() };
}
