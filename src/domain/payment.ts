/** A payment as the pipeline sees it: parsed once at the edge (see decode.ts), trusted from there on. */
export const channels = ['card_present', 'ecommerce', 'transfer', 'atm', 'direct_debit', 'other'] as const;
export type Channel = (typeof channels)[number];
export type AttributeValue = string | number | boolean;

/**
 * One class, every field always assigned in the same order, so that all payments share one hidden class.
 * Absent optional fields are `undefined`, never missing.
 */
export class Payment {
  paymentId = '';
  /** Event time, milliseconds since the Unix epoch, UTC. */
  occurredAtMs = 0;
  /** Minor units of `currency`, a safe integer 0 … 9e15. */
  amountMinor = 0;
  currency = '';
  customerId = '';
  accountId: string | undefined = undefined;
  counterpartyAccountId: string | undefined = undefined;
  merchantId: string | undefined = undefined;
  terminalId: string | undefined = undefined;
  cardId: string | undefined = undefined;
  deviceId: string | undefined = undefined;
  ipAddress: string | undefined = undefined;
  channel: Channel = 'other';
  merchantCategoryCode: string | undefined = undefined;
  country: string | undefined = undefined;
  attributes: Readonly<Record<string, AttributeValue>> | undefined = undefined;
}
