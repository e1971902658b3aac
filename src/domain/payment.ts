/** A payment as the pipeline sees it: parsed once at the edge (see decode.ts), trusted from there on. */
import type { Static } from 'typebox';
import type { DeepReadonly } from './readonly.ts';
import type { paymentSchema } from './schemas.ts';

export const channels = ['card_present', 'ecommerce', 'transfer', 'atm', 'direct_debit', 'other'] as const;

/** A payment as it is sent: the schema's own type. */
export type PaymentJson = DeepReadonly<Static<typeof paymentSchema>>;
export type Channel = NonNullable<PaymentJson['channel']>;
export type AttributeValue = NonNullable<PaymentJson['attributes']>[string];

/** Optional members as members that may be undefined; all of them can be set. */
type Filled<T> = { -readonly [Key in keyof T]-?: T extends Record<Key, T[Key]> ? T[Key] : T[Key] | undefined };

/**
 * What decoding makes of the schema's type, said in types: the event time is a number, the channel has its default,
 * what is absent is undefined, and everything else is as it was sent.
 */
export type DecodedPayment = Omit<Filled<PaymentJson>, 'occurredAt' | 'channel'> & {
  /** Event time, milliseconds since the Unix epoch, UTC. */
  occurredAtMs: number;
  channel: Channel;
};

/**
 * One class, every field always assigned in the same order, so that all payments share one hidden class.
 * Absent optional fields are `undefined`, never missing. The compiler holds it to the schema (`DecodedPayment`), and a test
 * to there being nothing more.
 */
export class Payment implements DecodedPayment {
  paymentId = '';
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
  attributes: PaymentJson['attributes'] | undefined = undefined;
}
