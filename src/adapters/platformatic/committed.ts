/**
 * Messages of an answer to a fetch without those of aborted transactions. The client's own filter keeps one aborted transaction a
 * producer, and lets pass those whose end is not in the same answer.
 */
import type { Consumer } from '@platformatic/kafka';
import type { Message } from '../../pipeline/ports.ts';

export type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;
export type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];
type RecordsBatch = NonNullable<FetchedPartition['records']>[number];

const isAppendTime = 1 << 3;
const isTransactional = 1 << 4;
const isControl = 1 << 5;
const abortMarker = 0;
const noBytes = Buffer.alloc(0);

function endsAborted(batch: RecordsBatch): boolean {
  const key = batch.records[0]?.key;
  return key !== undefined && key !== null && key.readInt16BE(2) === abortMarker;
}

/** Of a topic that dates by the broker, the broker's clock is that of the whole batch. */
function appendedAt(batch: RecordsBatch, { timestampDelta }: RecordsBatch['records'][number]): number {
  const ofBroker = (batch.attributes & isAppendTime) !== 0;
  return Number(ofBroker ? batch.maxTimestamp : batch.firstTimestamp + timestampDelta);
}

export interface Committed {
  readonly messages: Message[];
  /** The offset after the last one looked at. */
  readonly to: number;
}

/** @param from offsets before it are left out: an answer begins with the batch that the asked-for offset is in */
export function committedMessages(
  { partitionIndex, records, abortedTransactions }: FetchedPartition,
  from: number,
): Committed {
  const aborted = [...(abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const producers = new Set<bigint>();
  const messages: Message[] = [];
  let to = from;
  let started = 0;
  for (const batch of records ?? []) {
    const base = Number(batch.firstOffset);
    to = Math.max(to, base + batch.lastOffsetDelta + 1);
    for (; started < aborted.length && Number(aborted[started]?.firstOffset) < to; started++) {
      producers.add((aborted[started] as (typeof aborted)[number]).producerId);
    }
    if ((batch.attributes & isControl) !== 0) {
      if (endsAborted(batch)) producers.delete(batch.producerId);
      continue;
    }
    if ((batch.attributes & isTransactional) !== 0 && producers.has(batch.producerId)) continue;
    for (const record of batch.records) {
      const offset = base + record.offsetDelta;
      if (offset < from) continue;
      const key = record.key?.toString() ?? '';
      const appendedAtMs = appendedAt(batch, record);
      messages.push({ partition: partitionIndex, offset, key, value: record.value ?? noBytes, appendedAtMs });
    }
  }
  return { messages, to };
}
