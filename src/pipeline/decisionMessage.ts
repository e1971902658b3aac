/**
 * A decision as the decisions topic carries it outside of this process: the JSON of the decision, with the payment as it was
 * received and the features by name in two more fields,
 * `{…decision, "payment": {…}, "features": {"customer.count.1h": {"value": 3}, "…": {"value": 9, "exact": false, "bound": 2}}}`.
 * A missing value, and a bound that is not known, are null. The decision's and the payment's own bytes are kept as they are,
 * so that reading gives back exactly what was recorded.
 */
import type { DecisionRecord } from './ports.ts';

/** A topic's message that is no decision, or of a newer form. */
export class DecisionMessageError extends Error {
  override readonly name = 'DecisionMessageError';
}

export interface DecisionMessage {
  readonly record: DecisionRecord;
  readonly featureNames: readonly string[];
  /** The whole message, parsed; only what `record` needs of it is checked. */
  readonly document: unknown;
}

const closing = 0x7d;
const paymentField = Buffer.from(',"payment":');
const featuresField = Buffer.from(',"features":');

function featureText(name: string, value: number, bound: number): string {
  const shown = Number.isNaN(value) ? 'null' : Object.is(value, -0) ? '-0' : String(value);
  const key = `${JSON.stringify(name)}:{"value":${shown}`;
  if (bound === 0) return `${key}}`;
  return `${key},"exact":false,"bound":${Number.isFinite(bound) ? String(bound) : 'null'}}`;
}

/** @param featureNames of the record's release, in the order of its features */
export function encodeDecisionMessage(record: DecisionRecord, featureNames: readonly string[]): Uint8Array {
  const { decision, payment, features, bounds } = record;
  if (featureNames.length !== features.length) throw new TypeError('one name for each feature');
  const named = featureNames.map((name, i) => featureText(name, features[i] as number, bounds[i] as number));
  return Buffer.concat([
    decision.subarray(0, decision.length - 1),
    paymentField,
    payment,
    featuresField,
    Buffer.from(`{${named.join(',')}}}`),
  ]);
}

interface Parsed {
  readonly tenantId: string;
  readonly paymentId: string;
  readonly releaseId: string;
  readonly occurredAt: string;
  readonly features: Readonly<Record<string, { readonly value: number | null; readonly bound?: number | null }>>;
}

/**
 * Where the fields were put in. In a string of JSON a quote is escaped, and no object within a decision has a field
 * `payment`: its first occurrence is ours. Nor has one within the features a field `features`: the last is ours.
 */
function partsOf(bytes: Buffer): { readonly decision: Uint8Array; readonly payment: Uint8Array } {
  const paymentAt = bytes.indexOf(paymentField);
  const featuresAt = bytes.lastIndexOf(featuresField);
  if (paymentAt < 0 || featuresAt < paymentAt) throw new DecisionMessageError('the message is no decision');
  return {
    decision: Buffer.concat([bytes.subarray(0, paymentAt), Uint8Array.of(closing)]),
    payment: bytes.subarray(paymentAt + paymentField.length, featuresAt),
  };
}

function parse(bytes: Buffer): Parsed {
  let parsed: Parsed | null;
  try {
    parsed = JSON.parse(bytes.toString()) as Parsed | null;
  } catch (error) {
    throw new DecisionMessageError('the message is not JSON', { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null) throw new DecisionMessageError('the message is no decision');
  const { tenantId, paymentId, releaseId, occurredAt, features } = parsed;
  const texts = [tenantId, paymentId, releaseId, occurredAt].every((text) => typeof text === 'string');
  const cells = typeof features === 'object' && features !== null ? Object.values(features) : [null];
  if (!texts || !cells.every((cell) => typeof cell === 'object' && cell !== null)) {
    throw new DecisionMessageError('the message is no decision');
  }
  return parsed;
}

/** @throws DecisionMessageError */
export function decodeDecisionMessage(value: Uint8Array): DecisionMessage {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const parts = partsOf(bytes);
  const document = parse(bytes);
  const { tenantId, paymentId, releaseId, occurredAt, features } = document;
  const cells = Object.values(features);
  const record: DecisionRecord = {
    tenantId,
    paymentId,
    releaseId,
    occurredAtMs: Date.parse(occurredAt),
    ...parts,
    features: Float64Array.from(cells, (cell) => cell.value ?? Number.NaN),
    bounds: Float64Array.from(cells, ({ bound }) => (bound === undefined ? 0 : (bound ?? Number.POSITIVE_INFINITY))),
  };
  return { record, featureNames: Object.keys(features), document };
}
