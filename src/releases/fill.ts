/** Fills a frame's columns from payments and their features: the only place where a payment turns into columns. */
import type { Payment } from '../domain/payment.ts';
import { codeFirstLiteral, codeMissing, codeOther } from '../features/frame.ts';
import type { FeatureMatrix, Frame, FrameLayout, Literal } from '../features/frame.ts';
import {
  attributePrefix,
  dayOfWeek,
  duringNight,
  duringWeekend,
  hourOfDay,
  modelProbabilityFact,
  numericAttribute,
  parseListColumn,
} from '../rules/facts.ts';

/** Members of each list by name. */
export type ListMembers = ReadonlyMap<string, ReadonlySet<string>>;

type NumberOf = (payment: Payment) => number;
type LiteralOf = (payment: Payment) => Literal | undefined;
type ColumnFill = (frame: Frame, payments: readonly Payment[]) => void;

/** Numeric facts that a payment has by itself, in UTC; what they mean is said in the rules' facts.ts. */
const paymentNumbers: ReadonlyMap<string, NumberOf> = new Map<string, NumberOf>([
  ['amountMinor', (payment) => payment.amountMinor],
  ['hourOfDay', (payment) => hourOfDay(payment.occurredAtMs)],
  ['dayOfWeek', (payment) => dayOfWeek(payment.occurredAtMs)],
  ['duringWeekend', (payment) => duringWeekend(payment.occurredAtMs)],
  ['duringNight', (payment) => duringNight(payment.occurredAtMs)],
]);

/** Text facts that a payment has by itself. */
const paymentTexts: ReadonlyMap<string, (payment: Payment) => string | undefined> = new Map<
  string,
  (payment: Payment) => string | undefined
>([
  ['paymentId', (payment) => payment.paymentId],
  ['currency', (payment) => payment.currency],
  ['customerId', (payment) => payment.customerId],
  ['accountId', (payment) => payment.accountId],
  ['counterpartyAccountId', (payment) => payment.counterpartyAccountId],
  ['merchantId', (payment) => payment.merchantId],
  ['terminalId', (payment) => payment.terminalId],
  ['cardId', (payment) => payment.cardId],
  ['deviceId', (payment) => payment.deviceId],
  ['ipAddress', (payment) => payment.ipAddress],
  ['channel', (payment) => payment.channel],
  ['merchantCategoryCode', (payment) => payment.merchantCategoryCode],
  ['country', (payment) => payment.country],
]);

function attributeOf(name: string): (payment: Payment) => Literal | undefined {
  return (payment) => {
    const attributes = payment.attributes;
    return attributes !== undefined && Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  };
}

function listMembership(name: string, lists: ListMembers): NumberOf {
  const parsed = parseListColumn(name);
  const textOf = paymentTexts.get(parsed?.field ?? '');
  const members = lists.get(parsed?.list ?? '');
  if (textOf === undefined || members === undefined) throw new Error(`no such list column: ${name}`);
  return (payment) => {
    const text = textOf(payment);
    return text !== undefined && members.has(text) ? 1 : 0;
  };
}

function numberOf(name: string, lists: ListMembers): NumberOf | undefined {
  const known = paymentNumbers.get(name);
  if (known !== undefined) return known;
  if (parseListColumn(name) !== undefined) return listMembership(name, lists);
  if (!name.startsWith(attributePrefix)) return undefined;
  const valueOf = attributeOf(name.slice(attributePrefix.length));
  return (payment) => numericAttribute(valueOf(payment));
}

/** Whether a payment has a number of this name by itself: features, and the model's own answer, aside. */
export function isNumericColumn(name: string, lists: ListMembers): boolean {
  const list = parseListColumn(name);
  if (list === undefined) return numberOf(name, lists) !== undefined;
  return paymentTexts.has(list.field) && lists.has(list.list);
}

function literalOf(name: string): LiteralOf | undefined {
  return name.startsWith(attributePrefix) ? attributeOf(name.slice(attributePrefix.length)) : paymentTexts.get(name);
}

/** Whether a payment has a text of this name. */
export function isCategoricalColumn(name: string): boolean {
  return literalOf(name) !== undefined;
}

function fillNumbers(column: number, valueOf: NumberOf): ColumnFill {
  return (frame, payments) => {
    const values = frame.numbers[column] as Float64Array;
    for (let row = 0; row < frame.rows; row++) values[row] = valueOf(payments[row] as Payment);
  };
}

function fillCodes(column: number, valueOf: LiteralOf, vocabulary: readonly Literal[]): ColumnFill {
  const codeOf = new Map<Literal, number>(vocabulary.map((literal, i) => [literal, codeFirstLiteral + i]));
  return (frame, payments) => {
    const codes = frame.codes[column] as Int32Array;
    for (let row = 0; row < frame.rows; row++) {
      const value = valueOf(payments[row] as Payment);
      codes[row] = value === undefined ? codeMissing : (codeOf.get(value) ?? codeOther);
    }
  };
}

function fillFeatures(frame: Frame, features: FeatureMatrix): void {
  const { featureCount, values } = features;
  for (let feature = 0; feature < featureCount; feature++) {
    const column = frame.numbers[feature] as Float64Array;
    for (let row = 0, at = feature; row < frame.rows; row++, at += featureCount) column[row] = values[at] as number;
  }
}

export type FillFrame = (frame: Frame, payments: readonly Payment[], rows: number, features: FeatureMatrix) => void;

/**
 * Compiles the filling of one layout. The returned function sets `frame.rows` and writes every column except
 * `model.probability`, which it sets to NaN.
 * @throws when the layout names a column that no payment has (the release's lint refuses such a release before).
 */
export function compileFill(layout: FrameLayout, lists: ListMembers): FillFrame {
  const fills: ColumnFill[] = [];
  layout.numeric.forEach((name, column) => {
    if (column < layout.featureCount) return;
    const valueOf = name === modelProbabilityFact ? () => Number.NaN : numberOf(name, lists);
    if (valueOf === undefined) throw new Error(`no such numeric column: ${name}`);
    fills.push(fillNumbers(column, valueOf));
  });
  layout.categorical.forEach(({ name, vocabulary }, column) => {
    const valueOf = literalOf(name);
    if (valueOf === undefined) throw new Error(`no such categorical column: ${name}`);
    fills.push(fillCodes(column, valueOf, vocabulary));
  });
  return (frame, payments, rows, features) => {
    frame.rows = rows;
    fillFeatures(frame, features);
    for (const fill of fills) fill(frame, payments);
  };
}
