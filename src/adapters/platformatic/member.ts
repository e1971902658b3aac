/**
 * One member of a consumer group by @platformatic/kafka. The client's own stream of messages ends with the first fetch that fails
 * and goes back to the committed positions with every join; so only joining, heartbeats and requests are its, over three sets of
 * connections: what belongs to the group may wait there for all members, what is fetched for new messages, commits for neither.
 */
import { ConnectionPool, Consumer, findErrorBy } from '@platformatic/kafka';
import { kafkaBounds } from '../kafka/bounds.ts';
import type { GroupMember, MemberEvents, Offsets } from '../kafka/clientPort.ts';
import type { ClientLog, KafkaConnection } from '../kafka/options.ts';
import { Fetcher } from './fetcher.ts';
import { onReplaced } from './replaced.ts';
import { repeated } from './retry.ts';
import { clientOptions, isMatterOfTime, isRebalance, isReplaced, pauseMs, reasonOf } from './settings.ts';

/** As kafkajs calls its own, which it is: processes with either client can be in one group. */
const protocols = [{ name: 'RoundRobinAssigner', version: 1 }];
const leaderEpochUnknown = -1;

interface Place {
  readonly groupName: string;
  readonly topicName: string;
  /** A static member's; it does not leave when it stops, and its partitions wait for it while its session lasts. */
  readonly instanceId: string | undefined;
}

export class PlatformaticMember implements GroupMember {
  readonly #topicName: string;
  readonly #isStatic: boolean;
  readonly #events: MemberEvents;
  readonly #onLog: ClientLog;
  readonly #group: Consumer;
  readonly #reader: Consumer;
  readonly #pool: ConnectionPool;
  readonly #fetcher: Fetcher;
  #memberId = '';
  #generationId = -1;
  #joinFailures = 0;
  #rejoin: NodeJS.Timeout | undefined;
  #left = false;
  readonly #unwatch: () => void;

  constructor(connection: KafkaConnection, place: Place, events: MemberEvents, onLog: ClientLog) {
    const { groupName: groupId, topicName, instanceId } = place;
    this.#topicName = topicName;
    this.#isStatic = instanceId !== undefined;
    this.#events = events;
    this.#onLog = onLog;
    // A join is answered when all members have joined.
    const joining = clientOptions(connection, kafkaBounds.rebalanceMs + kafkaBounds.sessionMs);
    const options = clientOptions(connection, kafkaBounds.requestMsMax);
    this.#group = new Consumer({
      ...joining,
      groupId,
      ...(instanceId === undefined ? {} : { groupInstanceId: instanceId }),
      protocols,
      sessionTimeout: kafkaBounds.sessionMs,
      rebalanceTimeout: kafkaBounds.rebalanceMs,
      heartbeatInterval: kafkaBounds.heartbeatMs,
    });
    this.#reader = new Consumer({ ...options, groupId });
    this.#group.topics.track(topicName);
    this.#reader.topics.track(topicName);
    this.#pool = new ConnectionPool('holdfast', options);
    this.#fetcher = new Fetcher(this.#reader, this.#pool, topicName, events, onLog);
    this.#unwatch = instanceId === undefined ? () => {} : onReplaced(this.#group, () => this.#replaced());
    this.#listen();
  }

  async start(): Promise<void> {
    try {
      await this.#group.joinGroup();
    } catch (error) {
      // Another one came or went while this one joined: it goes on as at any later rebalance.
      if (isRebalance(error)) this.#joinAgain(error);
      else if (isMatterOfTime(error)) throw error;
      else this.#dead(error);
    }
  }

  pause(partition: number): boolean {
    this.#fetcher.pause(partition);
    return true;
  }

  resume(partition: number): boolean {
    this.#fetcher.resume(partition);
    return true;
  }

  seek(partition: number, offset: number): boolean {
    this.#fetcher.seek(partition, offset);
    return true;
  }

  /** In the generation of now, even where the next one begins while it is on its way: there it may be another's to commit. */
  async commit(offsets: Offsets): Promise<boolean> {
    const topic = this.#topicName;
    const generation = this.#generationId;
    this.#reader.memberId = this.#memberId;
    this.#reader.generationId = generation;
    const committed = offsets.map(([partition, nextOffset]) => ({
      topic,
      partition,
      offset: BigInt(nextOffset),
      leaderEpoch: leaderEpochUnknown,
    }));
    const isOver = (): boolean => this.#left || this.#generationId !== generation;
    try {
      await repeated(
        () => this.#reader.commit({ offsets: committed }),
        (error) => !isRebalance(error) && !isOver() && isMatterOfTime(error),
      );
      return true;
    } catch (error) {
      if (isRebalance(error) || isOver()) return false;
      throw error;
    }
  }

  async leave(): Promise<void> {
    this.#left = true;
    this.#unwatch();
    clearTimeout(this.#rejoin);
    this.#fetcher.close();
    // The client would leave the group; without a connection it only closes.
    if (this.#isStatic) cut(this.#group.connections);
    const late = setTimeout(() => this.#cut(), kafkaBounds.closeMsMax);
    await Promise.allSettled([this.#group.close(true), this.#reader.close(true), this.#pool.close()]);
    clearTimeout(late);
    this.#cut();
  }

  #listen(): void {
    this.#group.on('consumer:group:join', ({ memberId, generationId = -1, assignments }) => {
      if (this.#left) return;
      this.#joinFailures = 0;
      this.#memberId = memberId;
      this.#generationId = generationId;
      const partitions = assignments?.find(({ topic }) => topic === this.#topicName)?.partitions ?? [];
      this.#fetcher.assign(partitions);
      this.#events.alive();
      this.#events.joined(memberId, partitions);
      this.#fetcher.pump();
    });
    this.#group.on('consumer:heartbeat:end', () => this.#events.alive());
    this.#group.on('consumer:heartbeat:error', ({ error }) => this.#warn('Heartbeat failed', error));
    // It says so once where a rejoin failed, and then does nothing more.
    this.#group.on('error', (error: unknown) => this.#joinAgain(error));
    this.#reader.on('error', (error: unknown) => this.#warn('Reading failed', error));
  }

  #joinAgain(error: unknown): void {
    if (this.#left) return;
    if (isReplaced(error)) {
      this.#replaced();
      return;
    }
    this.#warn('Joining the group failed', error);
    if (!isMatterOfTime(error) && !isRebalance(error)) {
      this.#dead(error);
      return;
    }
    clearTimeout(this.#rejoin);
    this.#rejoin = setTimeout(
      () => void this.#group.joinGroup().catch((failure: unknown) => this.#joinAgain(failure)),
      pauseMs(this.#joinFailures++),
    );
  }

  /** Joining again would put the other out, which would then do the same. */
  #replaced(): void {
    if (this.#left) return;
    void this.leave();
    this.#events.dead(`another process reads ${this.#topicName} by the same KAFKA_GROUP_INSTANCE_ID`, true);
  }

  #dead(error: unknown): void {
    const told = error instanceof Error ? findErrorBy(error, 'code', 'PLT_KFK_PROTOCOL') : null;
    this.#events.dead(`the consumer of ${this.#topicName} has stopped: ${reasonOf(told ?? error)}`);
  }

  #warn(message: string, error: unknown): void {
    this.#events.alive();
    this.#onLog('warn', message, { topic: this.#topicName, groupId: this.#group.groupId, error: reasonOf(error) });
  }

  /** What could not be closed properly. */
  #cut(): void {
    for (const pool of [this.#group.connections, this.#reader.connections, this.#pool]) cut(pool);
  }
}

function cut(pool: ConnectionPool): void {
  for (const [, connection] of pool) connection.socket.destroy();
}
