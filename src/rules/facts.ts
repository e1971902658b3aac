import type { Payment } from '../domain/payment.ts';
import { textFieldNames } from '../domain/paymentFields.ts';
import type { Literal } from '../features/frame.ts';

/**
 * The facts a rule can name, and what the frame columns behind them must contain. Whoever fills frames follows this:
 *
 * Numeric columns (NaN is missing):
 * - `amountMinor`: the payment's amount;
 * - `hourOfDay` (0–23), `dayOfWeek` (ISO, 1 = Monday … 7), `duringWeekend` (1 or 0), `duringNight` (1 or 0): of the event
 *   time in UTC, by the functions below;
 * - every feature of the release, by its name;
 * - `model.probability`: the model's answer; NaN until it scored and when it did not;
 * - `attributes.NAME`: `numericAttribute(payment.attributes?.[NAME])`, own properties only;
 * - `inList:FIELD:LIST`: 1 when the payment's FIELD is present and the list LIST has it, else 0 (never NaN).
 *
 * Categorical columns (0 missing, 1 another value, 2… the literals in order, typed: "1", 1 and true are three values):
 * - a string field of the payment under its own name;
 * - `attributes.NAME`: the attribute as it is.
 * One attribute can have both a numeric and a categorical column, each under the name `attributes.NAME`.
 * A fact that is compared with another fact has a numeric column. A feature or `model.probability` that only a rule's
 * text names has one too.
 */
export const numericFacts = ['amountMinor', 'hourOfDay', 'dayOfWeek', 'duringWeekend', 'duringNight'] as const;

export const modelProbabilityFact = 'model.probability';

export const stringFacts = ['paymentId', 'currency', ...textFieldNames] as const;
export type StringFact = (typeof stringFacts)[number];

export const attributePrefix = 'attributes.';
/** Columns whose name starts so say whether a field is in a list: `inList:FIELD:LIST`. */
export const listColumnPrefix = 'inList:';

export type FactKind = 'number' | 'string' | 'attribute' | 'unknown';

const numberNames = new Set<string>([...numericFacts, modelProbabilityFact]);
const stringNames = new Set<string>(stringFacts);

/** What kind of values a fact (by its canonical name) has. */
export function factKind(name: string, isFeature: (name: string) => boolean): FactKind {
  if (numberNames.has(name)) return 'number';
  if (stringNames.has(name)) return 'string';
  if (name.startsWith(attributePrefix)) return name.length > attributePrefix.length ? 'attribute' : 'unknown';
  return isFeature(name) ? 'number' : 'unknown';
}

export function isStringFact(name: string): name is StringFact {
  return stringNames.has(name);
}

export function listColumn(field: string, list: string): string {
  return `${listColumnPrefix}${field}:${list}`;
}

/** The two halves of a list column's name; a field's name has no colon. */
export function parseListColumn(column: string): { readonly field: string; readonly list: string } | undefined {
  if (!column.startsWith(listColumnPrefix)) return undefined;
  const colon = column.indexOf(':', listColumnPrefix.length);
  if (colon < 0) return undefined;
  return { field: column.slice(listColumnPrefix.length, colon), list: column.slice(colon + 1) };
}

/**
 * An attribute as json-rules-engine's numeric operators see it: they ask `Number.parseFloat(value)` whether it is a
 * number at all, and then compare with JavaScript's own coercion. So "12" is 12, "12 apples" passes the question and
 * compares as NaN, "" does not pass it, and a boolean never does. NaN stands for "no comparison holds".
 */
export function numericAttribute(value: Literal | undefined): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return Number.NaN;
  return Number.isNaN(Number.parseFloat(value)) ? Number.NaN : Number(value);
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** 0–23, UTC. */
export function hourOfDay(timeMs: number): number {
  return Math.floor(timeMs / hourMs) - Math.floor(timeMs / dayMs) * 24;
}

/** ISO day of the week, UTC: 1 is Monday, 7 Sunday. Day 0 of the epoch was a Thursday. */
export function dayOfWeek(timeMs: number): number {
  const day = Math.floor(timeMs / dayMs) + 3;
  return day - Math.floor(day / 7) * 7 + 1;
}

/** 1 on Saturday and Sunday (UTC), else 0. */
export function duringWeekend(timeMs: number): number {
  return dayOfWeek(timeMs) >= 6 ? 1 : 0;
}

/** 1 from 00:00 to 06:59 (UTC), else 0; the handbook's definition. */
export function duringNight(timeMs: number): number {
  return hourOfDay(timeMs) <= 6 ? 1 : 0;
}

/** Whether a payment tells the fact by itself: all but features and the model's probability. */
export function isPaymentFact(fact: string): boolean {
  return fact !== modelProbabilityFact && factKind(fact, () => false) !== 'unknown';
}

/** The fact's value as the payment itself tells it; undefined when it is missing, or is none of the payment's own. */
export function paymentFact(payment: Payment, fact: string): Literal | undefined {
  if (fact.startsWith(attributePrefix)) {
    const name = fact.slice(attributePrefix.length);
    const { attributes } = payment;
    return attributes !== undefined && Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  }
  if (isStringFact(fact)) return payment[fact];
  switch (fact) {
    case 'amountMinor':
      return payment.amountMinor;
    case 'hourOfDay':
      return hourOfDay(payment.occurredAtMs);
    case 'dayOfWeek':
      return dayOfWeek(payment.occurredAtMs);
    case 'duringWeekend':
      return duringWeekend(payment.occurredAtMs);
    case 'duringNight':
      return duringNight(payment.occurredAtMs);
    default:
      return undefined;
  }
}
