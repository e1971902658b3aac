/**
 * A decision as the decisions topic carries it outside of this process: the JSON of the decision, with the payment as it was
 * received and the features by name in two more fields,
 * `{…decision, "payment": {…}, "features": {"customer.count.1h": {"value": 3}, "…": {"value": 9, "exact": false, "bound": 2}}}`.
 * A missing value, and a bound that is not known, are null. The decision's and the payment's own bytes are kept as they are,
 * so that reading gives back exactly what was recorded.
 */
import { ByteWriter } from './byteWriter.ts';
import { type FeatureReader, featureReader } from './codec.ts';
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

const opening = 0x7b;
const nullText = Buffer.from('null');
const boundField = Buffer.from(',"exact":false,"bound":');
/** What the longest number takes, and what stands around a value and its bound. */
const cellBytesMax = 2 * 25 + boundField.length + 2;

/** Of the last release whose decisions were encoded: `"NAME":{"value":` for each feature. */
let lastNames: readonly string[] = [];
let lastKeys: readonly Uint8Array[] = [];
let lastKeysBytes = 0;

function setKeys(featureNames: readonly string[]): void {
  if (featureNames === lastNames) return;
  lastKeys = featureNames.map((name, i) => Buffer.from(`${i === 0 ? '' : ','}${JSON.stringify(name)}:{"value":`));
  lastKeysBytes = lastKeys.reduce((sum, { length }) => sum + length, 0);
  lastNames = featureNames;
}

/** Where the features of one decision are written before it is known how long they are. */
const written = new ByteWriter(4096);

function writeFeatures(features: FeatureReader): void {
  written.at = 0;
  written.reserve(lastKeysBytes + lastKeys.length * cellBytesMax + 3);
  written.bytes[written.at++] = opening;
  for (let i = 0; i < lastKeys.length; i++) {
    const value = features.featureAt(i);
    const bound = features.boundAt(i);
    written.constant(lastKeys[i] as Uint8Array);
    if (Number.isNaN(value)) written.constant(nullText);
    else written.number(value);
    if (bound !== 0) {
      written.constant(boundField);
      if (Number.isFinite(bound)) written.number(bound);
      else written.constant(nullText);
    }
    written.bytes[written.at++] = closing;
  }
  written.bytes[written.at++] = closing;
  written.bytes[written.at++] = closing;
}

/** @param featureNames of the record's release, in the order of its features */
export function encodeDecisionMessage(record: DecisionRecord, featureNames: readonly string[]): Uint8Array {
  const { decision, payment } = record;
  const features = featureReader(record);
  if (featureNames.length !== features.featureCount) throw new TypeError('one name for each feature');
  setKeys(featureNames);
  writeFeatures(features);
  const paymentAt = decision.length - 1 + paymentField.length;
  const featuresAt = paymentAt + payment.length + featuresField.length;
  const bytes = Buffer.allocUnsafe(featuresAt + written.at);
  bytes.set(decision, 0);
  bytes.set(paymentField, decision.length - 1);
  bytes.set(payment, paymentAt);
  bytes.set(featuresField, paymentAt + payment.length);
  bytes.set(written.bytes.subarray(0, written.at), featuresAt);
  return bytes;
}

interface Cell {
  readonly value: number | null;
  readonly bound?: number | null;
}

interface Parsed {
  readonly tenantId: string;
  readonly paymentId: string;
  readonly releaseId: string;
  readonly occurredAt: string;
  readonly features: Readonly<Record<string, Cell | null>> | null;
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

/** The decision and the payment of a message, byte for byte; undefined where it is no decision. */
export function decisionParts(value: Uint8Array): Pick<DecisionRecord, 'decision' | 'payment'> | undefined {
  try {
    return partsOf(Buffer.from(value.buffer, value.byteOffset, value.length));
  } catch (error) {
    if (error instanceof DecisionMessageError) return undefined;
    throw error;
  }
}

function parse(bytes: Buffer): Parsed {
  let parsed: Parsed | null;
  try {
    parsed = JSON.parse(bytes.toString()) as Parsed | null;
  } catch (error) {
    throw new DecisionMessageError('the message is not JSON', { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null) throw new DecisionMessageError('the message is no decision');
  const { tenantId, paymentId, releaseId, occurredAt } = parsed;
  const texts = [tenantId, paymentId, releaseId, occurredAt].every((text) => typeof text === 'string');
  if (!texts) throw new DecisionMessageError('the message is no decision');
  return parsed;
}

function cellsOf({ features }: Parsed): Cell[] {
  if (typeof features !== 'object' || features === null) throw new DecisionMessageError('the message has no features');
  return Object.values(features).map((cell) => {
    if (typeof cell !== 'object' || cell === null) throw new DecisionMessageError('a feature is none');
    return cell;
  });
}

/** @throws DecisionMessageError */
export function decodeDecisionMessage(value: Uint8Array): DecisionMessage {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const parts = partsOf(bytes);
  const document = parse(bytes);
  const { tenantId, paymentId, releaseId, occurredAt } = document;
  const cells = cellsOf(document);
  const record: DecisionRecord = {
    tenantId,
    paymentId,
    releaseId,
    occurredAtMs: Date.parse(occurredAt),
    ...parts,
    features: Float64Array.from(cells, (cell) => cell.value ?? Number.NaN),
    bounds: Float64Array.from(cells, ({ bound }) => (bound === undefined ? 0 : (bound ?? Number.POSITIVE_INFINITY))),
  };
  return { record, featureNames: Object.keys(document.features ?? {}), document };
}
