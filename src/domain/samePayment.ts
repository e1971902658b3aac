import type { AttributeValue, Payment } from './payment.ts';

/** Whether two payments say the same: every field equal by value, attributes whatever their order. */
export function samePayment(a: Payment, b: Payment): boolean {
  return (
    a.paymentId === b.paymentId &&
    a.occurredAtMs === b.occurredAtMs &&
    a.amountMinor === b.amountMinor &&
    a.currency === b.currency &&
    a.customerId === b.customerId &&
    a.accountId === b.accountId &&
    a.counterpartyAccountId === b.counterpartyAccountId &&
    a.merchantId === b.merchantId &&
    a.terminalId === b.terminalId &&
    a.cardId === b.cardId &&
    a.deviceId === b.deviceId &&
    a.ipAddress === b.ipAddress &&
    a.channel === b.channel &&
    a.merchantCategoryCode === b.merchantCategoryCode &&
    a.country === b.country &&
    sameAttributes(a.attributes, b.attributes)
  );
}

type Attributes = Readonly<Record<string, AttributeValue>> | undefined;

/** No attributes and an empty object say the same. */
function sameAttributes(a: Attributes = {}, b: Attributes = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
