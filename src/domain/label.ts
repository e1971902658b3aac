/** What became of a payment, as told later by a chargeback, an analyst or the customer. */
export const labelValues = ['fraud', 'legitimate'] as const;
export type LabelValue = (typeof labelValues)[number];
export const labelSources = ['chargeback', 'analyst', 'customer', 'other'] as const;
export type LabelSource = (typeof labelSources)[number];

export interface Label {
  readonly paymentId: string;
  readonly label: LabelValue;
  readonly source: LabelSource;
  readonly labelledAtMs: number;
}
