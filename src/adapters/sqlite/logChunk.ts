/** Messages of a topic packed into one blob: u32 key bytes, u32 value bytes, key, value; again and again. */
import { Buffer } from 'node:buffer';

export interface LogMessage {
  readonly key: string;
  readonly value: Uint8Array;
}

const messageHeadBytes = 8;
/** A poll reads whole chunks: larger ones would make small polls dear. */
const chunkMessagesMax = 256;
const chunkBytesMax = 256 * 1024;

export interface ChunkPlan {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Cuts messages into chunks within the bounds (one message may be larger alone). */
export function planChunks(messages: readonly LogMessage[]): ChunkPlan[] {
  const plans: ChunkPlan[] = [];
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < messages.length; i++) {
    const { key, value } = messages[i] as LogMessage;
    const size = messageHeadBytes + Buffer.byteLength(key) + value.length;
    if (i > from && (i - from >= chunkMessagesMax || bytes + size > chunkBytesMax)) {
      plans.push({ from, to: i, bytes });
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (messages.length > from) plans.push({ from, to: messages.length, bytes });
  return plans;
}

/** Writes the messages of one plan at `offset` of `target`. */
export function writeChunk(messages: readonly LogMessage[], plan: ChunkPlan, target: Uint8Array, offset: number): void {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  const encoder = new TextEncoder();
  let at = offset;
  for (let i = plan.from; i < plan.to; i++) {
    const { key, value } = messages[i] as LogMessage;
    const { written } = encoder.encodeInto(key, target.subarray(at + messageHeadBytes));
    view.setUint32(at, written, true);
    view.setUint32(at + 4, value.length, true);
    target.set(value, at + messageHeadBytes + written);
    at += messageHeadBytes + written + value.length;
  }
}

/** The messages of a chunk, in order; values are views of it. */
export function* readChunk(bytes: Uint8Array): Generator<LogMessage> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (let at = 0; at < bytes.length; ) {
    const valueAt = at + messageHeadBytes + view.getUint32(at, true);
    const end = valueAt + view.getUint32(at + 4, true);
    yield { key: decoder.decode(bytes.subarray(at + messageHeadBytes, valueAt)), value: bytes.subarray(valueAt, end) };
    at = end;
  }
}
