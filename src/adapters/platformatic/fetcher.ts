/**
 * Fetches for one member by the client's `fetch`, one request a broker at a time. Each partition has a position of its own: where
 * it was moved while a fetch was on its way, that part of the answer is left out, so nothing is read twice or passed over.
 */
import type { ConnectionPool, Consumer } from '@platformatic/kafka';
import { FetchIsolationLevels } from '@platformatic/kafka';
import { kafkaBounds } from '../kafka/bounds.ts';
import type { MemberEvents } from '../kafka/clientPort.ts';
import type { ClientLog } from '../kafka/options.ts';
import type { FetchedPartition, FetchResponse } from './committed.ts';
import { committedMessages } from './committed.ts';
import { oldestOf, positionsOf } from './positions.ts';
import { pauseMs, reasonOf } from './settings.ts';

const offsetOutOfRange = 1;

interface Place {
  /** The next offset to ask for; undefined until the group's position is known. */
  next: number | undefined;
  paused: boolean;
}
interface Request {
  readonly node: number;
  readonly topicId: string;
  /** By partition, the offset asked for. */
  readonly from: ReadonlyMap<number, number>;
}

/** Of the fetch: an error of what the client asks before it, the brokers' addresses say, has a response of another kind. */
function responseOf(error: unknown): FetchResponse | undefined {
  const response = error instanceof Error && 'response' in error ? error.response : undefined;
  const isFetch = typeof response === 'object' && response !== null && 'responses' in response;
  return isFetch && Array.isArray(response.responses) ? (response as FetchResponse) : undefined;
}

export class Fetcher {
  readonly #reader: Consumer;
  readonly #pool: ConnectionPool;
  readonly #topicName: string;
  readonly #events: MemberEvents;
  readonly #onLog: ClientLog;
  readonly #places = new Map<number, Place>();
  readonly #asked = new Set<number>();
  #pumping = false;
  #again = false;
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(reader: Consumer, pool: ConnectionPool, topicName: string, events: MemberEvents, onLog: ClientLog) {
    this.#reader = reader;
    this.#pool = pool;
    this.#topicName = topicName;
    this.#events = events;
    this.#onLog = onLog;
  }

  /** What the member holds from now on; the position of what is new to it is the group's. */
  assign(partitions: readonly number[]): void {
    const before = new Map(this.#places);
    this.#places.clear();
    for (const partition of partitions) {
      this.#places.set(partition, { next: undefined, paused: before.get(partition)?.paused ?? false });
    }
  }

  pause(partition: number): void {
    const place = this.#places.get(partition);
    if (place !== undefined) place.paused = true;
  }

  resume(partition: number): void {
    const place = this.#places.get(partition);
    if (place === undefined) return;
    place.paused = false;
    this.pump();
  }

  seek(partition: number, offset: number): void {
    const place = this.#places.get(partition);
    if (place === undefined) return;
    place.next = offset;
    this.pump();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#places.clear();
  }

  /** Asks each broker that is not asked for what is wanted of it. */
  pump(): void {
    if (this.#closed || this.#pause !== undefined) return;
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    this.#pumping = true;
    this.#ask().then(
      () => this.#pumped(),
      (error: unknown) => {
        this.#failed(error);
        this.#pumped();
      },
    );
  }

  #pumped(): void {
    this.#pumping = false;
    if (!this.#again) return;
    this.#again = false;
    this.pump();
  }

  async #ask(): Promise<void> {
    if (this.#places.size === 0) return;
    const unknown = [...this.#places].filter(([, { next }]) => next === undefined).map(([partition]) => partition);
    if (unknown.length > 0) await this.#findPositions(unknown);
    const { topics } = await this.#reader.metadata({ topics: [this.#topicName] });
    const topic = topics.get(this.#topicName);
    if (topic === undefined || this.#closed) return;
    const requests = new Map<number, Map<number, number>>();
    for (const [partition, { next, paused }] of this.#places) {
      const node = topic.partitions[partition]?.leader;
      if (next === undefined || paused || node === undefined || this.#asked.has(node)) continue;
      const from = requests.get(node);
      if (from === undefined) requests.set(node, new Map([[partition, next]]));
      else from.set(partition, next);
    }
    for (const [node, from] of requests) void this.#fetch({ node, topicId: topic.id, from });
  }

  async #fetch({ node, topicId, from }: Request): Promise<void> {
    this.#asked.add(node);
    try {
      const partitions = [...from].map(([partition, offset]) => ({
        partition,
        fetchOffset: BigInt(offset),
        partitionMaxBytes: kafkaBounds.fetchPartitionBytesMax,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
      }));
      const response = await this.#reader.fetch({
        node,
        topics: [{ topicId, partitions }],
        maxWaitTime: kafkaBounds.fetchWaitMs,
        minBytes: 1,
        maxBytes: kafkaBounds.fetchBytesMax,
        isolationLevel: FetchIsolationLevels.READ_COMMITTED,
        connectionPool: this.#pool,
      });
      this.#failures = 0;
      this.#take(response, from);
    } catch (error) {
      await this.#recover(error, from);
    } finally {
      this.#asked.delete(node);
      this.#events.alive();
      this.pump();
    }
  }

  /** One partition's error is thrown with the answers of all. */
  async #recover(error: unknown, from: ReadonlyMap<number, number>): Promise<void> {
    const response = responseOf(error);
    if (response === undefined || this.#closed) {
      this.#failed(error);
      return;
    }
    this.#take(response, from);
    const failed = response.responses
      .flatMap(({ partitions }) => partitions)
      .filter(({ errorCode }) => errorCode !== 0);
    const gone = failed.filter(({ errorCode }) => errorCode === offsetOutOfRange).map((of) => of.partitionIndex);
    if (gone.length < failed.length || failed.length === 0) this.#failed(error);
    try {
      if (gone.length > 0) await this.#startAtOldest(gone, from);
    } catch (failure) {
      this.#failed(failure);
    }
  }

  async #startAtOldest(partitions: readonly number[], from: ReadonlyMap<number, number>): Promise<void> {
    const oldest = await oldestOf(this.#reader, this.#topicName);
    for (const partition of partitions) {
      const place = this.#places.get(partition);
      const offset = oldest[partition];
      if (place === undefined || offset === undefined || place.next !== from.get(partition)) continue;
      this.#onLog('warn', 'Offset out of range, going on with the oldest', { topic: this.#topicName, partition });
      this.#events.outOfRange(partition);
      place.next = Number(offset);
    }
  }

  #take(response: FetchResponse, from: ReadonlyMap<number, number>): void {
    for (const { partitions } of response.responses) for (const partition of partitions) this.#takeOne(partition, from);
  }

  #takeOne(fetched: FetchedPartition, asked: ReadonlyMap<number, number>): void {
    const { partitionIndex: partition, errorCode, lastStableOffset, highWatermark } = fetched;
    const place = this.#places.get(partition);
    const from = asked.get(partition);
    if (errorCode !== 0 || place === undefined || from === undefined || place.next !== from) return;
    const { messages, to } = committedMessages(fetched, from);
    if (to === from) return;
    place.next = to;
    const end = Number(lastStableOffset < 0n ? highWatermark : lastStableOffset);
    this.#events.fetched({ partition, from, to, end, messages });
  }

  async #findPositions(partitions: readonly number[]): Promise<void> {
    const wanted = partitions.map((partition) => [partition, this.#places.get(partition)] as const);
    const found = await positionsOf(this.#reader, this.#topicName, partitions);
    for (const [partition, place] of wanted) {
      // It may have been taken away, or given a position, meanwhile.
      if (place !== undefined) place.next ??= found.get(partition);
    }
  }

  #failed(error: unknown): void {
    if (this.#closed || this.#pause !== undefined) return;
    this.#reader.clearMetadata();
    this.#events.alive();
    if (this.#failures > 0) {
      this.#onLog('warn', 'Fetching failed', { topic: this.#topicName, error: reasonOf(error) });
    }
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.pump();
      },
      pauseMs(this.#failures++),
    );
  }
}
