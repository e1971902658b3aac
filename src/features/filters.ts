import type { Payment } from '../domain/payment.ts';
import type { AmountCondition, FilterDefinition, TextCondition } from './definitions.ts';
import { fieldCode, fieldValue } from './fields.ts';

export type PaymentPredicate = (payment: Payment) => boolean;

function compileAmount(condition: AmountCondition): PaymentPredicate {
  const min = condition.min ?? Number.NEGATIVE_INFINITY;
  const max = condition.max ?? Number.POSITIVE_INFINITY;
  return function amountWithin(payment) {
    return payment.amountMinor >= min && payment.amountMinor <= max;
  };
}

function compileText(code: number, condition: TextCondition): PaymentPredicate {
  const allowed = condition.in === undefined ? undefined : new Set(condition.in);
  const refused = new Set(condition.notIn ?? []);
  const { present } = condition;
  return function textMatches(payment) {
    const value = fieldValue(payment, code);
    if (value === undefined) return present !== true && allowed === undefined;
    if (present === false) return false;
    return (allowed === undefined || allowed.has(value)) && !refused.has(value);
  };
}

/** A predicate over the payment alone: it is evaluated once and kept as a bit of the record. */
export function compileFilter(filter: FilterDefinition): PaymentPredicate {
  const conditions: PaymentPredicate[] = [];
  if (filter.amountMinor !== undefined) conditions.push(compileAmount(filter.amountMinor));
  for (const [alias, condition] of Object.entries(filter)) {
    const code = fieldCode(alias);
    if (code !== undefined) conditions.push(compileText(code, condition as TextCondition));
  }
  return function passes(payment) {
    return conditions.every((condition) => condition(payment));
  };
}
