/**
 * The sink over a partitioned log (decisions or labels in Kafka), as one member of a consumer group. Each row reaches the
 * store once, whatever dies or is rebalanced in between:
 *
 * 1. what is polled is gathered by partition; one partition's messages make a block,
 * 2. the block's first and last offset are written down beside the rows (`beginRange`),
 * 3. what the store lacks of it is inserted, under a token of its range and content,
 * 4. the offset is committed.
 *
 * Whoever reads a partition next, this process or another, finds the range that was begun and makes the same block of it,
 * so that two inserts of it at one time are one. Rows are looked up by payment before they are inserted: a decision that was
 * appended twice is one row.
 */
import { createHash } from 'node:crypto';
import { type Gathered, Gathering } from './gathering.ts';
import type { AnalyticsBlock, Commit, Message, Topic } from './ports.ts';
import type { SinkStep } from './sink.ts';
import { blockOf, entryBytes, type NamedEntry } from './sinkBlock.ts';

/** Of `EventLog.subscribe`'s Subscription, what the sink uses. */
export interface SinkSubscription {
  /** Next messages, in order, of one assigned partition, at most `max`; empty when there were none within `waitMs`. */
  poll(max: number, waitMs: number): Promise<readonly Message[]>;
  /** Makes positions durable; a partition that was lost meanwhile is skipped. */
  commit(commits: readonly Commit[]): Promise<void>;
  lag(): Promise<number>;
}

/** Inclusive range of offsets of one partition. */
export interface PartitionRange {
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** The analytics store as this sink needs it. */
export interface PartitionStore {
  /** Ranges that were begun and end at `offset` or after it, those begun first ahead. */
  rangesFrom(topic: string, partition: number, offset: number): Promise<readonly PartitionRange[]>;
  /** Resolves when the range is durable. */
  beginRange(range: PartitionRange): Promise<void>;
  /** A block for the first time, of which rows may be there from other blocks. */
  insertNew(block: AnalyticsBlock): Promise<void>;
  /** The same after an attempt whose outcome is not known, ours or another's. */
  insertAbsent(block: AnalyticsBlock): Promise<void>;
}

export interface PartitionSinkOptions {
  readonly topic: Topic;
  readonly group: string;
  readonly subscription: SinkSubscription;
  readonly store: PartitionStore;
  /** Undefined for a message that is no decision or label; it is passed by after `onUnreadable`. */
  readonly decode: (message: Message) => NamedEntry | undefined;
  /** Keeps what could not be read (the dead letter topic); the offsets are committed when this resolves. */
  readonly onUnreadable: (messages: readonly Message[]) => Promise<void>;
}

export interface PartitionSink {
  /** Inserts at most one block. Rejects when the store or the log fails; the next call tries the same block again. */
  step(): Promise<SinkStep>;
  /** Messages not yet in the store. */
  lagRows(): Promise<number>;
}

/** Messages asked for in one poll. */
const pollMessagesMax = 2_000;
/** Longest wait for a first message; a step with nothing to do takes as long. */
const idleWaitMs = 1_000;

interface Pending {
  readonly range: PartitionRange;
  readonly gathered: readonly Gathered[];
  /** Tried before, by us or by whoever wrote the range down. */
  tried: boolean;
}

function keyOf(entry: NamedEntry): string {
  if (entry.kind === 'decision') return `${entry.record.tenantId}\u0000${entry.record.paymentId}`;
  const { tenantId, paymentId, label, source, labelledAtMs } = entry.label;
  return [tenantId, paymentId, label, source, labelledAtMs].join('\u0000');
}

/** Each decision and label once, the first: what is appended again has the same content. */
function distinct(gathered: readonly Gathered[]): readonly NamedEntry[] {
  const entries = new Map<string, NamedEntry>();
  for (const { entry } of gathered) {
    if (entry !== undefined && !entries.has(keyOf(entry))) entries.set(keyOf(entry), entry);
  }
  return [...entries.values()];
}

function tokenOf(
  { topic, partition, firstOffset, lastOffset }: PartitionRange,
  entries: readonly NamedEntry[],
): string {
  const hash = createHash('sha256');
  for (const entry of entries) {
    hash.update(keyOf(entry)).update('\u0000');
    if (entry.kind === 'decision') hash.update(entry.record.decision);
  }
  return `${topic}:${partition}:${firstOffset}-${lastOffset}:${hash.digest('hex')}`;
}

/** @see the head of this file */
export function createPartitionSink(options: PartitionSinkOptions): PartitionSink {
  const { topic, group, subscription, store } = options;
  const gathering = new Gathering();
  let pending: Pending | undefined;

  function gatheredOf(message: Message): Gathered {
    const entry = options.decode(message);
    return { message, entry, bytes: entry === undefined ? message.value.byteLength : entryBytes(entry) };
  }

  async function poll(waitMs: number): Promise<number> {
    const messages = await subscription.poll(pollMessagesMax, waitMs);
    gathering.add(messages.map(gatheredOf));
    return messages.length;
  }

  /** Reads what there is, within the bounds of a block over all partitions. */
  async function gather(): Promise<void> {
    while (!gathering.full) {
      if ((await poll(gathering.first === undefined ? idleWaitMs : 0)) === 0) return;
    }
  }

  /** Where the block that starts at the partition's first message has to end, and whether another began it. */
  async function boundaryOf(partition: number, first: number): Promise<{ last: number; begun: boolean }> {
    const ranges = await store.rangesFrom(topic, partition, first);
    const begun = ranges.find(({ firstOffset }) => firstOffset <= first);
    if (begun !== undefined) return { last: begun.lastOffset, begun: begun.firstOffset === first };
    const next = Math.min(...ranges.map(({ firstOffset }) => firstOffset));
    return { last: next - 1, begun: false };
  }

  /** A range that was begun is read whole, so that the block is the same one; the log may have forgotten its end. */
  async function readTo(partition: number, last: number): Promise<void> {
    const missing = (): boolean => (gathering.of(partition).at(-1)?.message.offset ?? last) < last;
    while (missing() && !gathering.full) if ((await poll(idleWaitMs)) === 0) return;
  }

  /** The next block of the partition that waits longest, written down; undefined when there is nothing to insert. */
  async function begin(): Promise<Pending | undefined> {
    let own: PartitionRange | undefined;
    for (;;) {
      const partition = gathering.first;
      if (partition === undefined) return undefined;
      const first = gathering.of(partition)[0]?.message.offset ?? 0;
      const { last, begun } = await boundaryOf(partition, first);
      if (begun) await readTo(partition, last);
      const gathered = gathering.of(partition).filter(({ message }) => message.offset <= last);
      const firstOffset = gathered[0]?.message.offset ?? first;
      // It was rewound while it was read.
      if (firstOffset !== first) continue;
      const range = { topic, partition, firstOffset, lastOffset: gathered.at(-1)?.message.offset ?? first };
      const known = begun && range.lastOffset === last;
      const ours = own?.partition === partition && own.firstOffset === first && own.lastOffset === range.lastOffset;
      if (known || ours) return { range, gathered: gathering.take(partition, last), tried: !known || !ours };
      await store.beginRange(range);
      // Another may have begun one since we looked: that which was first counts.
      own = range;
    }
  }

  async function insert({ range, gathered, tried }: Pending): Promise<void> {
    const entries = distinct(gathered);
    if (entries.length === 0) return;
    const block = blockOf(entries, tokenOf(range, entries));
    await (tried ? store.insertAbsent(block) : store.insertNew(block));
  }

  return {
    async step() {
      if (pending === undefined) {
        await gather();
        pending = await begin();
        if (pending === undefined) return { rows: 0, full: false };
      }
      const { range, gathered } = pending;
      const full = gathering.full || pending.tried;
      try {
        await insert(pending);
        const unreadable = gathered.filter(({ entry }) => entry === undefined).map(({ message }) => message);
        if (unreadable.length > 0) await options.onUnreadable(unreadable);
        const { partition, lastOffset } = range;
        await subscription.commit([{ group, topic, partition, nextOffset: lastOffset + 1 }]);
      } catch (error) {
        pending.tried = true;
        throw error;
      }
      pending = undefined;
      return { rows: gathered.length, full };
    },
    lagRows: () => subscription.lag(),
  };
}
