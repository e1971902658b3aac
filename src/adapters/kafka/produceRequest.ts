/**
 * Produce requests of kafkajs, written at once. Its own encoder copies each message some seven times, through buffers that
 * grow and are filled with zeros first, which took a seventh of a stream's time. Here it is one buffer of the right size. The bytes are the same ones; a test compares them.
 * What Holdfast does not use (compression, headers, transactions) is left to kafkajs.
 */
import { createRequire } from 'node:module';
import { crc32c } from '@node-rs/crc32';

interface ProduceMessage {
  readonly key?: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: unknown;
  readonly timestamp?: unknown;
}
interface PartitionData {
  readonly partition: number;
  readonly messages: readonly ProduceMessage[];
  readonly firstSequence?: number;
}
export interface ProduceOptions {
  readonly acks: number;
  readonly timeout: number;
  readonly transactionalId?: string | null;
  readonly producerId?: unknown;
  readonly producerEpoch?: number;
  readonly compression?: number;
  readonly topicData: readonly { readonly topic: string; readonly partitions: readonly PartitionData[] }[];
}
interface Encoder {
  buf: Buffer;
  offset: number;
}
interface Request {
  encode(): Promise<Encoder>;
}
type MakeRequest = (options: ProduceOptions) => Request;

const load = createRequire(import.meta.url);
const requestPath = 'kafkajs/src/protocol/requests/produce/v3/request';
const groupingPath = 'kafkajs/src/producer/groupMessagesPerPartition';
const EncoderOf = load('kafkajs/src/protocol/encoder') as new (bytes: number) => Encoder;
/** As kafkajs has them. */
export const originalRequest = load(requestPath) as MakeRequest;
export const originalGrouping = load(groupingPath) as typeof groupMessages;

/** Before a batch's records: offset, length, epoch of the leader, version, checksum, then what the checksum covers. */
const batchHeadBytes = 61;
const lengthAt = 8;
const checksumAt = 17;
const checkedFrom = 21;
const recordVersion = 2;
/** Attributes, difference of time, and no headers: one byte each. */
const recordFixedBytes = 3;

const isPlain = ({ headers, timestamp }: ProduceMessage): boolean => headers === undefined && timestamp === undefined;

/** Whether the request holds nothing but keys and values. */
function plain({ transactionalId, compression = 0, producerId = -1, topicData }: ProduceOptions): boolean {
  if (transactionalId !== undefined && transactionalId !== null) return false;
  if (compression !== 0 || producerId !== -1) return false;
  return topicData.every(({ partitions }) => partitions.every(({ messages }) => messages.every(isPlain)));
}

/** Bytes of a number from −1 on as Kafka's variable-length integer. */
function varIntBytes(value: number): number {
  const zigzag = value < 0 ? 1 : value * 2;
  let bytes = 1;
  for (let rest = zigzag; rest >= 128; rest /= 128) bytes++;
  return bytes;
}

function writeVarInt(bytes: Uint8Array, value: number, at: number): number {
  let rest = value < 0 ? 1 : value * 2;
  let next = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[next++] = (rest % 128) + 128;
  bytes[next++] = rest;
  return next;
}

const lengthOf = (value: Buffer | string | null | undefined): number =>
  value === null || value === undefined ? -1 : typeof value === 'string' ? Buffer.byteLength(value) : value.length;

const fieldBytes = (length: number): number => varIntBytes(length) + Math.max(0, length);

function writeField(bytes: Buffer, value: Buffer | string | null | undefined, length: number, at: number): number {
  const next = writeVarInt(bytes, length, at);
  if (value === null || value === undefined) return next;
  if (typeof value === 'string') bytes.write(value, next, length, 'utf8');
  else bytes.set(value, next);
  return next + length;
}

function recordBytes({ key, value }: ProduceMessage, offset: number): number {
  return recordFixedBytes + varIntBytes(offset) + fieldBytes(lengthOf(key)) + fieldBytes(lengthOf(value));
}

function requestBytes({ topicData }: ProduceOptions): number {
  let bytes = 2 + 2 + 4 + 4;
  for (const { topic, partitions } of topicData) {
    bytes += 2 + Buffer.byteLength(topic) + 4;
    for (const { messages } of partitions) {
      bytes += 4 + 4 + batchHeadBytes;
      messages.forEach((message, offset) => {
        const size = recordBytes(message, offset);
        bytes += varIntBytes(size) + size;
      });
    }
  }
  return bytes;
}

function writeBatch(bytes: Buffer, { messages, firstSequence = 0 }: PartitionData, epoch: number, at: number): number {
  const now = BigInt(Date.now());
  bytes.writeBigInt64BE(0n, at);
  bytes.writeInt32BE(0, at + 12);
  bytes[at + 16] = recordVersion;
  bytes.writeInt16BE(0, at + checkedFrom);
  bytes.writeInt32BE(messages.length - 1, at + 23);
  bytes.writeBigInt64BE(now, at + 27);
  bytes.writeBigInt64BE(now, at + 35);
  bytes.writeBigInt64BE(-1n, at + 43);
  bytes.writeInt16BE(epoch, at + 51);
  bytes.writeInt32BE(firstSequence, at + 53);
  bytes.writeInt32BE(messages.length, at + 57);
  let next = at + batchHeadBytes;
  for (let offset = 0; offset < messages.length; offset++) {
    const message = messages[offset] as ProduceMessage;
    next = writeVarInt(bytes, recordBytes(message, offset), next);
    bytes[next++] = 0;
    bytes[next++] = 0;
    next = writeVarInt(bytes, offset, next);
    next = writeField(bytes, message.key, lengthOf(message.key), next);
    next = writeField(bytes, message.value, lengthOf(message.value), next);
    bytes[next++] = 0;
  }
  bytes.writeInt32BE(next - at - lengthAt - 4, at + lengthAt);
  bytes.writeUInt32BE(crc32c(bytes.subarray(at + checkedFrom, next)), at + checksumAt);
  return next;
}

function encode(options: ProduceOptions): Encoder {
  const { acks, timeout, producerEpoch = 0, topicData } = options;
  const bytes = Buffer.allocUnsafe(requestBytes(options));
  bytes.writeInt16BE(-1, 0);
  bytes.writeInt16BE(acks, 2);
  bytes.writeInt32BE(timeout, 4);
  bytes.writeInt32BE(topicData.length, 8);
  let at = 12;
  for (const { topic, partitions } of topicData) {
    const length = Buffer.byteLength(topic);
    at = bytes.writeInt16BE(length, at);
    at += bytes.write(topic, at, length, 'utf8');
    at = bytes.writeInt32BE(partitions.length, at);
    for (const data of partitions) {
      at = bytes.writeInt32BE(data.partition, at);
      const end = writeBatch(bytes, data, producerEpoch, at + 4);
      bytes.writeInt32BE(end - at - 4, at);
      at = end;
    }
  }
  const encoder = new EncoderOf(1);
  encoder.buf = bytes;
  encoder.offset = at;
  return encoder;
}

/** A produce request of kafkajs, written in one go where it holds nothing but keys and values. */
export const produceRequest: MakeRequest = (options) => {
  const request = originalRequest(options);
  return plain(options) ? { ...request, encode: () => Promise.resolve(encode(options)) } : request;
};

interface Grouping {
  readonly topic: string;
  readonly partitionMetadata: readonly unknown[];
  readonly messages: readonly ProduceMessage[];
  readonly partitioner: (of: Pick<Grouping, 'topic' | 'partitionMetadata'> & { message: ProduceMessage }) => number;
}

/** kafkajs' own copies the list of a partition for each message that it adds to it. */
export function groupMessages({ topic, partitionMetadata, messages, partitioner }: Grouping) {
  const groups: Record<number, ProduceMessage[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) (groups[partitioner({ topic, partitionMetadata, message })] ??= []).push(message);
  return groups;
}

function replace(path: string, made: unknown): void {
  const own = load.cache[load.resolve(path)];
  if (own !== undefined) own.exports = made;
}

// The versions of the request are loaded at the first send, and made from what they find here; the producer takes its grouping
// when kafkajs is loaded, which is why client.ts imports this first.
replace(requestPath, produceRequest);
replace(groupingPath, groupMessages);
