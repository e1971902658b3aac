/**
 * DecisionRecord ⇄ bytes: what the journal, the decisions topic and the sink exchange.
 *
 * Version 1, little endian:
 *   0 u8  version        1 u8  (0)            2 u16 tenantId bytes   4 u16 paymentId bytes
 *   6 u16 features       8 u32 decision bytes 12 u32 payment bytes   16 u16 non-zero bounds
 *  18 u8[6] (0)         24 f64 occurredAtMs  32 u8[32] releaseId     64 tenantId, paymentId, payment, decision,
 * features (f64 each), then for each non-zero bound: u16 feature, f64 bound.
 */
import type { DecisionRecord } from './ports.ts';

const recordVersion = 1;
/** Features a record can hold. */
const recordFeaturesMax = 4096;
const headerBytes = 64;
const boundBytes = 10;
const releaseIdPattern = /^[0-9a-f]{64}$/;

const utf8Encoder = new TextEncoder();
/** `ignoreBOM`: a text that starts with U+FEFF keeps it. */
const utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes that do not hold a whole record of a known version; stored data is damaged or from a newer Holdfast. */
export class RecordFormatError extends Error {
  override readonly name = 'RecordFormatError';
}

/** The exact number of bytes `encodeRecord` will write. */
export function encodedRecordBytes(record: DecisionRecord): number {
  // Each is asked for once: some records make their arrays anew for everyone who asks.
  const { tenantId, paymentId, decision, payment, bounds } = record;
  let inexact = 0;
  for (let i = 0; i < bounds.length; i++) if (bounds[i] !== 0) inexact++;
  return (
    headerBytes +
    Buffer.byteLength(tenantId) +
    Buffer.byteLength(paymentId) +
    decision.length +
    payment.length +
    bounds.length * 8 +
    inexact * boundBytes
  );
}

/**
 * Writes `record` at `offset` and returns the offset after it. The caller makes room (`encodedRecordBytes`).
 * `view` and `target` are over the same bytes. Ids must be well formed (no lone surrogate): decoding sees to that.
 * @throws TypeError on a record no decision can have (programmer error): releaseId not 64 hex digits, more features than
 * `recordFeaturesMax`, bounds of another length than features.
 */
export function encodeRecord(record: DecisionRecord, target: Uint8Array, view: DataView, offset: number): number {
  const { features, bounds, decision, payment } = record;
  const count = features.length;
  if (count > recordFeaturesMax || bounds.length !== count)
    throw new TypeError('features and bounds do not fit a record');
  let at = offset + headerBytes;
  const tenantEnd = writeText(record.tenantId, target, at);
  const idEnd = writeText(record.paymentId, target, tenantEnd);
  view.setUint8(offset, recordVersion);
  view.setUint8(offset + 1, 0);
  view.setUint16(offset + 2, tenantEnd - at, true);
  view.setUint16(offset + 4, idEnd - tenantEnd, true);
  view.setUint16(offset + 6, count, true);
  view.setUint32(offset + 8, decision.length, true);
  view.setUint32(offset + 12, payment.length, true);
  view.setUint16(offset + 18, 0, true);
  view.setUint32(offset + 20, 0, true);
  view.setFloat64(offset + 24, record.occurredAtMs, true);
  target.set(releaseBytes(record.releaseId), offset + 32);
  target.set(payment, idEnd);
  at = idEnd + payment.length;
  target.set(decision, at);
  at += decision.length;
  for (let i = 0; i < count; i++, at += 8) view.setFloat64(at, features[i] as number, true);
  let written = 0;
  for (let i = 0; i < count; i++) {
    if (bounds[i] === 0) continue;
    view.setUint16(at, i, true);
    view.setFloat64(at + 2, bounds[i] as number, true);
    at += boundBytes;
    written++;
  }
  view.setUint16(offset + 16, written, true);
  return at;
}

/** One record alone, for adapters that send single messages; of a record that is encoded already its own bytes. */
export function encodeRecordBytes(record: DecisionRecord): Uint8Array {
  if (record instanceof EncodedRecord) return record.encoded;
  const target = new Uint8Array(encodedRecordBytes(record));
  encodeRecord(record, target, new DataView(target.buffer), 0);
  return target;
}

/** The same records, encoded once for everyone who wants their bytes, and independent of what they were made from. */
export function encodedRecords(records: readonly DecisionRecord[]): DecisionRecord[] {
  let end = 0;
  const ends = records.map((record) => (end += encodedRecordBytes(record)));
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  let at = 0;
  return records.map((record, i) => {
    encodeRecord(record, bytes, view, at);
    const encoded = new EncodedRecord(bytes.subarray(at, ends[i]), record);
    at = ends[i] as number;
    return encoded;
  });
}

/** Features and bounds one by one: of an encoded record without making its arrays. */
export interface FeatureReader {
  readonly featureCount: number;
  featureAt(i: number): number;
  boundAt(i: number): number;
}

export function featureReader(record: DecisionRecord): FeatureReader {
  if (record instanceof EncodedRecord) return record;
  const { features, bounds } = record;
  return {
    featureCount: features.length,
    featureAt: (i) => features[i] as number,
    boundAt: (i) => bounds[i] as number,
  };
}

/** What tells payments apart: two records with the same key are of one payment. */
export function recordKey(record: DecisionRecord): string {
  return record instanceof EncodedRecord ? record.key : paymentKey(record.tenantId, record.paymentId);
}

export function paymentKey(tenantId: string, paymentId: string): string {
  return `${tenantId}\u0000${paymentId}`;
}

/**
 * A record over `bytes` (kept, not copied): each field is decoded when it is first asked for.
 * @throws RecordFormatError when the bytes are not exactly one record of a known version.
 */
export function decodeRecord(bytes: Uint8Array): DecisionRecord {
  return new EncodedRecord(bytes);
}

class EncodedRecord implements DecisionRecord, FeatureReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #idStart: number;
  readonly #paymentStart: number;
  readonly #decisionStart: number;
  readonly #featuresStart: number;
  readonly #boundsStart: number;
  #tenantId: string | undefined;
  #paymentId: string | undefined;
  #releaseId: string | undefined;
  #features: Float64Array | undefined;
  #bounds: Float64Array | undefined;

  #key: string | undefined;

  /** @param known the record that these are the bytes of */
  constructor(bytes: Uint8Array, known?: DecisionRecord) {
    const length = bytes.length;
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    if (length < headerBytes) throw new RecordFormatError(`a record of ${length} bytes is cut off`);
    const version = view.getUint8(0);
    if (version !== recordVersion) throw new RecordFormatError(`record version ${version} is not known`);
    this.#bytes = bytes;
    this.#view = view;
    this.#idStart = headerBytes + view.getUint16(2, true);
    this.#paymentStart = this.#idStart + view.getUint16(4, true);
    this.#decisionStart = this.#paymentStart + view.getUint32(12, true);
    this.#featuresStart = this.#decisionStart + view.getUint32(8, true);
    this.#boundsStart = this.#featuresStart + view.getUint16(6, true) * 8;
    const end = this.#boundsStart + view.getUint16(16, true) * boundBytes;
    if (end !== length) throw new RecordFormatError(`a record of ${length} bytes says that it has ${end}`);
    if (known === undefined) return;
    this.#tenantId = known.tenantId;
    this.#paymentId = known.paymentId;
    this.#releaseId = known.releaseId;
  }

  get encoded(): Uint8Array {
    return this.#bytes;
  }
  get key(): string {
    return (this.#key ??= paymentKey(this.tenantId, this.paymentId));
  }

  get tenantId(): string {
    this.#tenantId ??= utf8Decoder.decode(this.#bytes.subarray(headerBytes, this.#idStart));
    return this.#tenantId;
  }
  get paymentId(): string {
    this.#paymentId ??= utf8Decoder.decode(this.#bytes.subarray(this.#idStart, this.#paymentStart));
    return this.#paymentId;
  }
  get occurredAtMs(): number {
    return this.#view.getFloat64(24, true);
  }
  get decision(): Uint8Array {
    return this.#bytes.subarray(this.#decisionStart, this.#featuresStart);
  }
  get payment(): Uint8Array {
    return this.#bytes.subarray(this.#paymentStart, this.#decisionStart);
  }
  get releaseId(): string {
    this.#releaseId ??= Buffer.from(this.#bytes.subarray(32, 64)).toString('hex');
    return this.#releaseId;
  }
  get featureCount(): number {
    return (this.#boundsStart - this.#featuresStart) / 8;
  }
  featureAt(i: number): number {
    return this.#view.getFloat64(this.#featuresStart + i * 8, true);
  }
  /** Most records have no bounds at all, and those that have, few. */
  boundAt(i: number): number {
    for (let at = this.#boundsStart; at < this.#bytes.length; at += boundBytes)
      if (this.#view.getUint16(at, true) === i) return this.#view.getFloat64(at + 2, true);
    return 0;
  }
  get features(): Float64Array {
    if (this.#features === undefined) {
      const values = new Float64Array(this.featureCount);
      for (let i = 0; i < values.length; i++) values[i] = this.featureAt(i);
      this.#features = values;
    }
    return this.#features;
  }
  get bounds(): Float64Array {
    if (this.#bounds === undefined) {
      const values = new Float64Array(this.featureCount);
      for (let at = this.#boundsStart; at < this.#bytes.length; at += boundBytes)
        values[this.#view.getUint16(at, true)] = this.#view.getFloat64(at + 2, true);
      this.#bounds = values;
    }
    return this.#bounds;
  }
}

/** Ids are short and nearly always ASCII: a plain loop beats the encoder's call. */
function writeText(text: string, target: Uint8Array, offset: number): number {
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return offset + utf8Encoder.encodeInto(text, target.subarray(offset)).written;
    target[offset + i] = unit;
  }
  return offset + length;
}

let lastReleaseId = '';
let lastReleaseBytes = new Uint8Array(32);

/** Records of a batch share their release; the last one is remembered. */
function releaseBytes(releaseId: string): Uint8Array {
  if (releaseId !== lastReleaseId) {
    if (!releaseIdPattern.test(releaseId)) throw new TypeError('releaseId is not 64 lower-case hexadecimal digits');
    lastReleaseBytes = new Uint8Array(Buffer.from(releaseId, 'hex'));
    lastReleaseId = releaseId;
  }
  return lastReleaseBytes;
}

/** Whether two encoded records are of the same tenant and payment; nothing else is decoded. */
export function sameRecordId(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 2; i < 6; i++) if (a[i] !== b[i]) return false;
  const end = headerBytes + (a[2] as number) + ((a[3] as number) << 8) + (a[4] as number) + ((a[5] as number) << 8);
  for (let i = headerBytes; i < end; i++) if (a[i] !== b[i]) return false;
  return true;
}
