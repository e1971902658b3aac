/** The names of a payment's fields, in the order of the contract; the required ones come first. */
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
] as const;
export type PaymentFieldName = (typeof paymentFieldNames)[number];

export const requiredFieldCount = 5;
