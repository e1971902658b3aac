/** The least of a Protocol Buffers reader: a message as its fields, by number. https://protobuf.dev/programming-guides/encoding/ */
import { ModelError } from '../errors.ts';

const broken = () => new ModelError('model_unreadable', 'The ONNX file is damaged: it ends inside a field.');

/** A field's values in order: numbers as they are, messages, texts and packed numbers as bytes. */
export type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Signed 64 bits; beyond 2⁵³ it is rounded, which no number that is read here comes near. */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw broken();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
    throw broken();
  }

  take(length: number): Uint8Array {
    if (length < 0 || this.#at + length > this.#bytes.length) throw broken();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @throws ModelError where the bytes are no message */
export function readMessage(bytes: Uint8Array): Fields {
  const fields = new Map<number, (number | Uint8Array)[]>();
  const reader = new Reader(bytes);
  while (!reader.done) {
    const key = reader.varint();
    const [field, wire] = [Math.floor(key / 8), key % 8];
    let value: number | Uint8Array;
    if (wire === 0) value = reader.varint();
    else if (wire === 1) value = viewOf(reader.take(8)).getFloat64(0, true);
    else if (wire === 2) value = reader.take(reader.varint());
    else if (wire === 5) value = viewOf(reader.take(4)).getFloat32(0, true);
    else throw new ModelError('model_unreadable', 'The file is not ONNX: it is no Protocol Buffers message.');
    const known = fields.get(field);
    if (known === undefined) fields.set(field, [value]);
    else known.push(value);
  }
  return fields;
}

const isBytes = (value: number | Uint8Array): value is Uint8Array => typeof value !== 'number';

export const messagesOf = (fields: Fields, field: number): readonly Fields[] =>
  (fields.get(field) ?? []).filter(isBytes).map(readMessage);

export const textsOf = (fields: Fields, field: number): readonly string[] =>
  (fields.get(field) ?? []).filter(isBytes).map((bytes) => new TextDecoder().decode(bytes));

export const textOf = (fields: Fields, field: number): string => textsOf(fields, field)[0] ?? '';

/** Repeated integers, packed or not. */
export function integersOf(fields: Fields, field: number): readonly number[] {
  return (fields.get(field) ?? []).flatMap((value) => {
    if (!isBytes(value)) return [value];
    const reader = new Reader(value);
    const numbers: number[] = [];
    while (!reader.done) numbers.push(reader.varint());
    return numbers;
  });
}

/** Repeated float32, packed or not. */
export function floatsOf(fields: Fields, field: number): readonly number[] {
  return (fields.get(field) ?? []).flatMap((value) => {
    if (!isBytes(value)) return [value];
    if (value.length % 4 !== 0) throw broken();
    return Array.from({ length: value.length / 4 }, (_, i) => viewOf(value).getFloat32(i * 4, true));
  });
}
