import type { PaymentJson } from './payment.ts';

export type PaymentFieldName = keyof PaymentJson;

/** Who pays whom, by what and where: text, all of it. */
export const textFieldNames = [
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
] as const satisfies readonly PaymentFieldName[];

/** The names of a payment's fields, in the order of the contract; the required ones come first. Tests hold them to the schema. */
export const paymentFieldNames = [
  'paymentId',
  'occurredAt',
  'amountMinor',
  'currency',
  ...textFieldNames,
  'attributes',
] as const satisfies readonly PaymentFieldName[];

export const requiredFieldCount = 5;
