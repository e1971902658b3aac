import type { PaymentJson } from './payment.ts';

export type PaymentFieldName = keyof PaymentJson;

/** The names of a payment's fields, in the order of the contract; the required ones come first. Tests hold them to the schema. */
export const paymentFieldNames = [
  'paymentId',
  'occurredAt',
  'amountMinor',
  'currency',
  'customerId',
  'accountId',
  'counterpartyAccountId',
  'merchantId',
  'terminalId',
  'cardId',
  'deviceId',
  'ipAddress',
  'channel',
  'merchantCategoryCode',
  'country',
  'attributes',
] as const satisfies readonly PaymentFieldName[];

export const requiredFieldCount = 5;
